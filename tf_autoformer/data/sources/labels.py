"""The names of the classes in an export."""

import os

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data.sources import names


def read(folder: str | os.PathLike[str]) -> list[str] | None:
    """The names of an export's classes, in order. None: it does not tell.

    Args:
      folder: Folder of the export, local or of a bucket.

    Raises:
      InputError: The file is damaged.
    """
    path = os.path.join(folder, names.LABELS_FILE)
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            labels = files.parse_json(file.read())
    except (tf.errors.OpError, ValueError) as error:
        raise errors.InputError(
            f"cannot read {path}: {errors.reason(error)}"
        ) from error
    if not isinstance(labels, list) or not all(
        isinstance(label, str) for label in labels
    ):
        raise errors.InputError(f"{path} is no list of texts")
    return labels
