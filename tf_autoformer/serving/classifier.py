"""An exported model as a function from files to answers."""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data.sources import names


class Answers(NamedTuple):
    """Answers to a batch of files.

    Attributes:
      probabilities: Probabilities float32 [batch, classes].
      errors: Reasons why files could not be read. "" for each of the others.
    """

    probabilities: np.ndarray
    errors: Sequence[str]


class Classifier(NamedTuple):
    """A model that reads files.

    Attributes:
      labels: Names of the classes, in the order of the probabilities.
      classify: Function from the contents of files to answers.
    """

    labels: Sequence[str]
    classify: Callable[[Sequence[bytes]], Answers]


def load(folder: pathlib.Path) -> Classifier:
    """Loads a model, whatever kind of folder it is in.

    Args:
      folder: Folder of a SavedModel that `export` or `search` wrote.

    Raises:
      InputError: The folder holds no such model.
    """
    if not (folder / "saved_model.pb").exists():
        raise errors.InputError(
            f"{folder} holds no SavedModel; it must be the folder of a "
            "version, such as WORKDIR/export/1"
        )
    return _of_export(folder)


def _of_export(folder: pathlib.Path) -> Classifier:
    """The signature `serving_bytes` of a SavedModel."""
    try:
        signature = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
        labels = json.loads((folder / names.LABELS_FILE).read_bytes())
    except (tf.errors.OpError, OSError, KeyError, ValueError) as error:
        raise errors.InputError(
            f"cannot load {folder}: {errors.reason(error)}"
        ) from error
    if "errors" not in signature.structured_outputs:
        raise errors.InputError(
            f"{folder} is an export of an earlier version; export it again"
        )

    def classify(contents: Sequence[bytes]) -> Answers:
        found = signature(image_bytes=tf.constant(list(contents), tf.string))
        return Answers(
            found["probabilities"].numpy(),
            [reason.decode() for reason in found["errors"].numpy()],
        )

    return Classifier(labels, classify)
