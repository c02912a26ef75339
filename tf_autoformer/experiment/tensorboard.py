"""TensorBoard logs."""

import pathlib

import tensorflow as tf

from tf_autoformer import errors


def open_writer(folder: pathlib.Path) -> tf.summary.SummaryWriter:
    """Opens a TensorBoard log.

    Args:
      folder: Folder of the log. It is made if it does not exist.

    Raises:
      InputError: The folder cannot be written.
    """
    try:
        return tf.summary.create_file_writer(str(folder))
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"cannot write to {folder}: {errors.reason(error)}"
        ) from error
