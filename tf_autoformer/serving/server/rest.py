"""TF Serving's REST API, and a page to try the model, as an ASGI application.

The texts of errors are TF Serving's where it has the same error.
"""

import asyncio
import logging
import pathlib
import re

import tensorflow as tf
from starlette import (
    applications,
    exceptions,
    requests,
    responses,
    routing,
)

from tf_autoformer import errors
from tf_autoformer.serving.server import request_error, tensors, versions

_LOGGER = logging.getLogger(__name__)
_PAGE = pathlib.Path(__file__).with_name("page.html")
_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d{1,18}))?"
_VERB = re.compile(
    rf"{_MODEL}:(?P<verb>predict|classify|regress)", re.IGNORECASE
)
_ABOUT = re.compile(rf"{_MODEL}(?P<metadata>/metadata)?", re.IGNORECASE)


class Api:
    """The API to a model.

    Args:
      served: Versions of the model.
      max_body: Largest body of a request in bytes.
    """

    def __init__(self, served: versions.Versions, max_body: int):
        self._versions = served
        self._max_body = max_body

    def application(self) -> applications.Starlette:
        """The ASGI application."""
        return applications.Starlette(
            routes=[
                routing.Route("/", self._page),
                routing.Route("/health", self._health),
                routing.Route("/labels.json", self._labels),
                routing.Route("/{path:path}", self._v1, methods=["GET"]),
                routing.Route("/{path:path}", self._predict, methods=["POST"]),
            ],
            exception_handlers={
                request_error.RequestError: _refused,
                exceptions.HTTPException: _not_allowed,
                tf.errors.OpError: _failed,
                Exception: _failed,
            },
        )

    async def _page(self, _: requests.Request) -> responses.Response:
        return responses.FileResponse(_PAGE)

    async def _health(self, _: requests.Request) -> responses.Response:
        with self._versions.request(self._versions.name, None) as served:
            return responses.JSONResponse(
                {"status": "ok", "version": served.model.version}
            )

    async def _labels(self, _: requests.Request) -> responses.Response:
        """The names of the classes, and the version that they belong to."""
        name = self._versions.name
        with self._versions.request(name, None) as served:
            return responses.JSONResponse(
                {
                    "model": name,
                    "version": served.model.version,
                    "labels": served.model.labels,
                }
            )

    async def _v1(self, request: requests.Request) -> responses.Response:
        """Status and metadata."""
        found = _match(_ABOUT, request)
        name, version = found["name"], _version(found)
        if not found["metadata"]:
            return responses.JSONResponse(self._versions.status(name, version))
        with self._versions.request(name, version) as served:
            return responses.JSONResponse(
                {
                    "model_spec": {
                        "name": name,
                        "signature_name": "",
                        "version": str(served.model.version),
                    },
                    "metadata": {"signature_def": served.model.metadata},
                }
            )

    async def _predict(self, request: requests.Request) -> responses.Response:
        found = _match(_VERB, request)
        if (verb := found["verb"].lower()) != "predict":
            raise request_error.RequestError(
                400,
                f"Expected {verb} signature method_name to be "
                f"tensorflow/serving/{verb}. Was: tensorflow/serving/predict",
            )
        body = await self._body(request)
        with self._versions.request(found["name"], _version(found)) as served:
            # In threads, as large images would keep the others waiting.
            query = await asyncio.to_thread(
                tensors.parse,
                body,
                {
                    name: signature.inputs
                    for name, signature in served.model.signatures.items()
                },
            )
            answers = await served.answers(query.signature, query.rows)
        content = await asyncio.to_thread(
            tensors.encode, answers, query.is_columnar
        )
        return responses.Response(content, media_type="application/json")

    async def _body(self, request: requests.Request) -> bytes:
        """The body of a request.

        Raises:
          RequestError: It is larger than the limit, or does not come.
        """
        announced = request.headers.get("content-length", "0")
        chunks, size = [], 0
        is_large = announced.isdecimal() and int(announced) > self._max_body
        try:
            if not is_large:
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    if is_large := size > self._max_body:
                        break
        except requests.ClientDisconnect as error:
            raise request_error.RequestError(
                400, "the client has gone"
            ) from error
        if is_large:
            raise request_error.RequestError(
                413, f"the body has more than {self._max_body} bytes"
            )
        return b"".join(chunks)


def _match(pattern: re.Pattern, request: requests.Request) -> re.Match:
    """The parts of a path.

    Raises:
      RequestError: The path is none of the API's.
    """
    found = pattern.fullmatch(request.url.path)
    if found is None:
        status = 400 if request.url.path.lower().startswith("/v1/") else 404
        raise request_error.RequestError(
            status, f"Malformed request: {request.method} {request.url.path}"
        )
    return found


def _version(found: re.Match) -> int | None:
    return None if found["version"] is None else int(found["version"])


async def _refused(
    _: requests.Request, error: request_error.RequestError
) -> responses.Response:
    return responses.JSONResponse({"error": str(error)}, error.status)


async def _not_allowed(
    request: requests.Request, error: exceptions.HTTPException
) -> responses.Response:
    text = f"Malformed request: {request.method} {request.url.path}"
    return responses.JSONResponse(
        {"error": text}, error.status_code, error.headers
    )


async def _failed(_: requests.Request, error: Exception) -> responses.Response:
    """An error of the model's, or of this code."""
    is_request = isinstance(error, tf.errors.InvalidArgumentError)
    if not is_request:
        _LOGGER.error("a request failed: %s", errors.reason(error))
    return responses.JSONResponse(
        {"error": errors.reason(error)}, 400 if is_request else 500
    )
