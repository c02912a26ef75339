"""The newest version of a model, replaced without a gap."""

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from tf_autoformer import errors
from tf_autoformer.serving.server import batching, model, request_error

_LOGGER = logging.getLogger(__name__)

_Content = frozenset[tuple[str, int, int]]


class Served:
    """A loaded version with the queues of its signatures.

    Args:
      loaded: Version in memory.
      limits: Bounds of batches and queues.

    Attributes:
      model: Version in memory.
    """

    def __init__(self, loaded: model.Model, limits: batching.Limits):
        self.model = loaded
        self._batchers = {
            name: batching.Batcher(signature, limits)
            for name, signature in loaded.signatures.items()
        }
        self._requests = 0
        self._is_retired = False

    async def answers(
        self, signature: str, rows: Sequence[model.Row]
    ) -> list[model.Row]:
        """The outputs for each row. See `batching.Batcher.answers`."""
        return await self._batchers[signature].answers(rows)

    @contextlib.contextmanager
    def in_use(self) -> Iterator["Served"]:
        """Keeps the version loaded for the time of a request."""
        self._requests += 1
        try:
            yield self
        finally:
            self._requests -= 1
            self._close_if_idle()

    def retire(self) -> None:
        """Ends the work as soon as the last request has been answered."""
        self._is_retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._is_retired and not self._requests:
            for batcher in self._batchers.values():
                batcher.close()


class Versions:
    """The versions in a base folder, of which the newest is served.

    Args:
      base: Folder that has a folder for each version, named by its number.
      name: Name of the model.
      limits: Bounds of batches and queues.

    Attributes:
      name: Name of the model.
    """

    def __init__(self, base: pathlib.Path, name: str, limits: batching.Limits):
        self._base = base
        self.name = name
        self._limits = limits
        self._served: Served | None = None
        self._states: dict[int, tuple[str, str]] = {}
        # What the version that is served had when it was loaded, and each
        # other one when it could not be.
        self._content: _Content = frozenset()
        self._failed: dict[int, _Content] = {}

    async def load_newest(self) -> None:
        """Loads the newest version that can be, unless it is served already.

        A version is loaded again when its files change, as it may have been a
        copy in progress. The version before answers until the new one is
        warmed up, and then finishes the requests that it has.

        Raises:
          InputError: There is no version, or none is served and none can be
            loaded.
        """
        problem = None
        for number in self._numbers():
            folder = self._base / str(number)
            content = _content(folder)
            served = self._served and self._served.model.version == number
            if served and content == self._content:
                return
            if content == self._failed.get(number):
                continue
            _LOGGER.info("loading version %d", number)
            self._states[number] = ("LOADING", "")
            try:
                loaded = await asyncio.to_thread(model.Model, folder)
            except errors.InputError as error:
                self._states[number] = ("LOADING", str(error))
                self._failed[number] = content
                _LOGGER.warning("%s", error)
                problem = error
                continue
            self._replace(loaded)
            self._content = content
            return
        if problem is not None and self._served is None:
            raise problem

    def _replace(self, loaded: model.Model) -> None:
        """Has a version answer all further requests."""
        before = self._served
        self._served = Served(loaded, self._limits)
        if before is not None:
            self._states[before.model.version] = ("END", "")
            before.retire()
        self._states[loaded.version] = ("AVAILABLE", "")
        _LOGGER.info("serving version %d", loaded.version)

    async def watch(self, seconds: float) -> None:
        """Loads new versions as they come, for ever.

        Args:
          seconds: Time between two looks at the base folder.
        """
        told = ""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.load_newest()
                told = ""
            except Exception as error:  # It must not end the watch.
                if str(error) != told:
                    _LOGGER.warning("%s", error)
                told = str(error)

    @contextlib.contextmanager
    def request(self, name: str, version: int | None) -> Iterator[Served]:
        """The version that answers a request, loaded until the body ends.

        Args:
          name: Name of the model.
          version: Number of the version. None: the newest.

        Raises:
          RequestError: The model or the version is not served.
        """
        served = self._served
        if (
            served is None
            or name != self.name
            or version not in (None, served.model.version)
        ):
            wanted = (
                f"Latest({name})"
                if version is None
                else f"Specific({name}, {version})"
            )
            raise request_error.RequestError(
                404, f"Servable not found for request: {wanted}"
            )
        with served.in_use():
            yield served

    def status(self, name: str, version: int | None) -> dict[str, Any]:
        """The states of versions, as TF Serving's GetModelStatusResponse.

        Args:
          name: Name of the model.
          version: Number of the version. None: all.

        Raises:
          RequestError: There is no such model or version.
        """
        found = {
            number: state
            for number, state in sorted(self._states.items(), reverse=True)
            if name == self.name and version in (None, number)
        }
        if not found:
            which = "any versions" if version is None else f"version {version}"
            raise request_error.RequestError(
                404, f"Could not find {which} of model {name}"
            )
        return {
            "model_version_status": [
                {
                    "version": str(number),
                    "state": state,
                    "status": {
                        "error_code": "UNKNOWN" if message else "OK",
                        "error_message": message,
                    },
                }
                for number, (state, message) in found.items()
            ]
        }

    def _numbers(self) -> list[int]:
        """The numbers of the versions' folders, the largest first.

        Raises:
          InputError: There is none.
        """
        try:
            numbers = [
                int(path.name)
                for path in self._base.iterdir()
                if path.name.isdecimal()
                and path.name == str(int(path.name))
                and (path / "saved_model.pb").exists()
            ]
        except OSError as error:
            raise errors.InputError(
                f"cannot read {self._base}: {error.strerror}"
            ) from error
        if not numbers:
            raise errors.InputError(
                f"{self._base} holds no version of a SavedModel; it must have "
                "folders named by numbers, as WORKDIR/export has"
            )
        return sorted(numbers, reverse=True)


def _content(folder: pathlib.Path) -> _Content:
    """Path, size and time of each file in a folder."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # It has gone, or leads nowhere.
            status = path.stat()
            found.append((str(path), status.st_size, status.st_mtime_ns))
    return frozenset(found)
