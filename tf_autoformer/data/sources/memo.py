"""Small files with results that take long to find. To lose one costs time."""

import logging
import os

import tensorflow as tf

_LOGGER = logging.getLogger(__name__)


def read(path: str) -> bytes | None:
    """The content of a file. None if it cannot be read."""
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except tf.errors.OpError:
        return None


def write(path: str, content: bytes) -> None:
    """Makes or replaces a file atomically. Only logs if that is not possible.

    Args:
      path: Path of the file, local or of a bucket.
      content: Content of the file.
    """
    folder, name = os.path.split(path)
    # A name for each process, as several may find the same result at once.
    partial = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(partial, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(partial, path, overwrite=True)
    except tf.errors.OpError as error:
        _LOGGER.info("%s is not kept: %s", path, error.message)
