"""The server as a process: from the first version to the last answer."""

import asyncio
import logging
import pathlib
import socket

import uvicorn

from tf_autoformer import errors
from tf_autoformer.serving.server import batching, rest, versions

_LOGGER = logging.getLogger(__name__)
_KEEP_ALIVE = 60  # Seconds. A client that pauses keeps its connection.


async def run(
    base: pathlib.Path,
    name: str,
    address: tuple[str, int],
    limits: batching.Limits,
    max_body: int,
    poll_seconds: float,
) -> None:
    """Serves the newest version until SIGTERM or SIGINT.

    Requests that it has begun to read by then are answered.

    Args:
      base: Folder that has a folder for each version, named by its number.
      name: Name of the model.
      address: Host and port. Port 0: any that is free.
      limits: Bounds of batches and queues.
      max_body: Largest body of a request in bytes.
      poll_seconds: Time between two looks for a newer version.

    Raises:
      InputError: There is no version that can be loaded, or the address is not
        free.
    """
    host, port = address
    try:
        listening = socket.create_server(address)
    except OSError as error:
        raise errors.InputError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}"
        ) from error
    with listening:
        served = versions.Versions(base, name, limits)
        await served.load_newest()
        port = listening.getsockname()[1]
        _LOGGER.info("http://%s:%d/v1/models/%s", host, port, name)
        config = uvicorn.Config(
            rest.Api(served, max_body).application(),
            lifespan="off",
            log_level="warning",
            timeout_keep_alive=_KEEP_ALIVE,
        )
        watch = asyncio.create_task(served.watch(poll_seconds))
        try:
            await uvicorn.Server(config).serve([listening])
        finally:
            watch.cancel()
