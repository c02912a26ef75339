"""Files and folders that are either whole or absent.

Everything is written beside its destination and then renamed, so that a crash
or a full disk never leaves half a result behind.
"""

import contextlib
import errno
import io
import json
import logging
import math
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from tf_autoformer import errors

try:
    import fcntl
except ImportError:  # Not a Unix. A lock then warns that it keeps none out.
    fcntl = None  # type: ignore[assignment]

_LOGGER = logging.getLogger(__name__)


def _beside(path: pathlib.Path) -> pathlib.Path:
    # Always the same name: so what a crash left is replaced the next time.
    path = pathlib.Path(os.path.abspath(path))  # "." has no name.
    return path.with_name(f".{path.name}.partial")


def write_bytes(
    path: str | os.PathLike[str], content: bytes | memoryview
) -> None:
    """Replaces the file `path` by `content`, atomically.

    Raises:
      InputError: The folder of the file cannot be written, or the disk is
        full.
    """
    path = pathlib.Path(path)
    with make_writable(path.parent):
        partial = _beside(path)
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Like `write_bytes`, encoded as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Replaces the file `path` by `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Parses a JSON file.

    Raises:
      InputError: The file is missing, unreadable or not JSON.
    """
    try:
        return parse_json(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise errors.InputError(
            f"cannot read {path}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise errors.InputError(f"{path} is not JSON: {error}") from error


def parse_json(content: bytes) -> Any:
    """Parses JSON, which has no NaN and no infinity. A byte-order mark may be.

    Raises:
      ValueError: The content is not JSON, or nested too deeply.
    """
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def whole_lines(path: pathlib.Path) -> list[bytes]:
    """The lines of a file that `append_json` writes, if it exists.

    A last line that a crash cut short is removed from the file.

    Args:
      path: Path of the file.

    Raises:
      InputError: The file cannot be written.
    """
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        write_bytes(path, whole + b"\n" if whole else b"")
    return whole.splitlines()


def append_json(path: pathlib.Path, value: Any) -> None:
    """Writes a value through to a JSON-lines file, which is made if need be.

    Raises:
      InputError: The file cannot be written or the disk is full.
    """
    with make_writable(path.parent), path.open("a") as file:
        file.write(json.dumps(value) + "\n")


@contextlib.contextmanager
def make_writable(
    folder: str | os.PathLike[str], named: str | os.PathLike[str] = ""
) -> Iterator[None]:
    """Makes `folder`, and puts failures to write into one line.

    Args:
      folder: Folder to make.
      named: Path that the line names. Empty: the folder.

    Raises:
      InputError: The folder cannot be made or written, or the disk is full.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        yield
    except OSError as error:
        raise errors.InputError(
            f"cannot write to {named or folder}: {error.strerror or error}"
        ) from error


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Fails now rather than after an hour of work.

    Raises:
      InputError: A file cannot be made in `folder`.
    """
    with make_writable(folder):
        probe = _beside(pathlib.Path(folder) / "probe")
        probe.touch()
        probe.unlink(missing_ok=True)  # Another process may probe as well.


@contextlib.contextmanager
def lock(folder: str | os.PathLike[str], waits: bool = False) -> Iterator[None]:
    """Keeps other processes that lock `folder` out of it.

    The lock ends with the body, or with the process however that ends. Where
    the file system has no locks, a warning is logged and the body runs.

    Args:
      folder: Folder to lock, which is made if it does not exist.
      waits: Whether to wait for a process that holds the lock.

    Raises:
      InputError: Another process holds the lock and `waits` is false, or the
        folder cannot be written. The message names the process.
    """
    require_writable(folder)
    with contextlib.ExitStack() as stack:
        try:
            path = pathlib.Path(folder) / ".lock"
            # Programs that this one starts do not inherit what Python opens.
            file = stack.enter_context(path.open("ab+", buffering=0))
            if fcntl is None:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            _flock(file, waits)
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            stack.callback(_empty, file)
        except BlockingIOError as error:
            raise errors.InputError(
                f"{folder} is in use by process {_holder(file)}; wait for it "
                "to end, or use another folder"
            ) from error
        except OSError as error:
            _LOGGER.warning(
                "cannot lock %s: %s; make sure that nothing else writes to it",
                folder,
                error.strerror or error,
            )
        yield


def _flock(file: io.FileIO, waits: bool) -> None:
    """Locks a file.

    Raises:
      BlockingIOError: Another process has it, and `waits` is false.
      OSError: There are no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not waits:
            raise
        _LOGGER.info("waiting for process %s", _holder(file))
        fcntl.flock(file, fcntl.LOCK_EX)


def _holder(file: io.FileIO) -> str:
    """The process that holds the lock of a file."""
    file.seek(0)
    return file.read().decode(errors="replace") or "unknown"


def _empty(file: io.FileIO) -> None:
    """Empties a lock's file, so that it names no process that has ended."""
    with contextlib.suppress(OSError):
        file.truncate(0)


def is_new(path: str | os.PathLike[str]) -> bool:
    """Whether there is nothing at `path` but perhaps an empty folder."""
    # Not pathlib's, which raises for a name that is too long.
    return not os.path.exists(path) or (
        os.path.isdir(path) and not os.listdir(path)
    )


def require_absent(path: str | os.PathLike[str]) -> None:
    """Fails if there is anything at `path`.

    Raises:
      InputError: There is something.
    """
    if os.path.exists(path):
        raise errors.InputError(f"{path} exists already; it is not replaced")


def require_new(path: str | os.PathLike[str]) -> None:
    """Fails if there is anything at `path` but an empty folder.

    Raises:
      InputError: There is something else.
    """
    if not is_new(path):
        require_absent(path)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a folder to fill that becomes `path` when the body succeeds.

    Raises:
      InputError: `path` exists already, other than as an empty folder, or
        cannot be written.
    """
    path = pathlib.Path(path)
    require_new(path)
    with make_writable(path.parent, named=path):
        partial = _beside(path)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir()
            yield partial
            os.rename(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
