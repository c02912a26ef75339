"""An exported model as a function from files to answers."""

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data.sources import labels as labels_lib
from tf_autoformer.data.sources import names
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import served as served_lib
from tf_autoformer.supernet import subnet as subnet_lib


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
      folder: Folder of a SavedModel that `export` or `search` wrote, or working
        folder of a fine-tuned network.

    Raises:
      InputError: The folder holds no such model.
    """
    workdir = workdir_lib.Workdir(folder)
    if workdir.is_bound:
        return _of_network(workdir)
    if not (folder / "saved_model.pb").exists():
        raise errors.InputError(
            f"{folder} holds no SavedModel; it must be the folder of a "
            "version, such as WORKDIR/export/1, or that of a fine-tuned network"
        )
    return _of_export(folder)


def _of_network(workdir: workdir_lib.Workdir) -> Classifier:
    """The one subnet of a fine-tuned network."""
    architecture = workdir.experiment.architecture
    if architecture is None:
        raise errors.InputError(
            f"{workdir.root} holds a supernet; export a subnet of it first"
        )
    trained = workdir.trained(tf.distribute.get_strategy())
    subnet = subnet_lib.inherit(trained.supernet, architecture)
    served = served_lib.of_model(subnet, trained.source)
    return _of_signature(
        served.signatures()["serving_bytes"], trained.source.labels
    )


def _of_export(folder: pathlib.Path) -> Classifier:
    """The signature `serving_bytes` of a SavedModel."""
    try:
        signature = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
    except (tf.errors.OpError, OSError, KeyError) as error:
        raise errors.InputError(
            f"cannot load {folder}: {errors.reason(error)}"
        ) from error
    if "errors" not in signature.structured_outputs:
        raise errors.InputError(
            f"{folder} is an export of an earlier version; export it again"
        )
    labels = labels_lib.read(folder)
    if labels is None:
        raise errors.InputError(
            f"cannot load {folder}: it has no {names.LABELS_FILE}"
        )
    return _of_signature(signature, labels)


def _of_signature(
    signature: Callable[..., dict[str, tf.Tensor]], labels: Sequence[str]
) -> Classifier:
    """A function of a SavedModel, or one that will be."""

    def classify(contents: Sequence[bytes]) -> Answers:
        found = signature(image_bytes=tf.constant(list(contents), tf.string))
        return Answers(
            found["probabilities"].numpy(),
            [reason.decode() for reason in found["errors"].numpy()],
        )

    return Classifier(labels, classify)
