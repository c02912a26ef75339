"""Small files of what takes long to find out; losing one costs time only."""

import logging
import os

import tensorflow as tf

_LOGGER = logging.getLogger(__name__)


def read(path: str) -> bytes | None:
    """The file's content; None if there is none that can be read."""
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read()
    except tf.errors.OpError:
        return None


def write(path: str, content: bytes) -> None:
    """Makes or replaces a file, atomically, where that is possible.

    Args:
      path: local or of a bucket.
      content: what it is to hold.
    """
    folder, name = os.path.split(path)
    # Processes that find the same out do not meet.
    partial = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(partial, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(partial, path, overwrite=True)
    except tf.errors.OpError as error:
        _LOGGER.info("%s is not kept: %s", path, error.message)
