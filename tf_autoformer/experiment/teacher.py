"""A trained classifier whose predictions a network learns too."""

import contextlib
import os

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import labels as labels_lib
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib


class Teacher:
    """Labels images by a SavedModel, for distillation.

    Its `serving_default` takes one batch of float32 RGB images in [0, 1]. It
    answers with `logits` or `probabilities`, or with one output of any name.
    This package exports such models.

    The classes of such an export are matched by name. Another model must have
    the supernet's classes in the same order.

    Args:
      path: Folder of the SavedModel.
      source: Classes and pixels that the supernet knows.
      soft: Whether the targets are its probabilities. Otherwise they are its
        likeliest classes (hard-label distillation, DeiT).

    Raises:
      InputError: The model cannot be loaded, takes or answers something
        else, or has a class that the supernet does not know.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: source_lib.Source,
        soft: bool = False,
    ):
        try:
            self._model = tf.saved_model.load(path)
            self._classify = self._model.signatures["serving_default"]
        except (tf.errors.OpError, OSError, KeyError) as error:
            raise errors.InputError(
                f"teacher is {str(path)!r}; it must be a SavedModel with the "
                f"signature serving_default: {errors.reason(error)}"
            ) from error
        self._source = source
        self._soft = soft

        def require(is_so: bool, what: object, rule: str) -> None:
            if not is_so:
                raise errors.InputError(
                    f"teacher is {str(path)!r}, which has {what}; it must "
                    f"{rule}"
                )

        inputs = self._classify.structured_input_signature[1]
        require(
            [_takes_images(spec) for spec in inputs.values()] == [True],
            f"the inputs {list(inputs.values())}",
            "take one batch of float32 RGB images",
        )
        ((self._input, spec),) = inputs.items()
        self._size = tuple(spec.shape[1:3])
        outputs = self._classify.structured_outputs
        names = [n for n in ("logits", "probabilities") if n in outputs]
        require(
            bool(names) or len(outputs) == 1 and not soft,
            f"the outputs {list(outputs)}",
            "answer with logits or probabilities",
        )
        self._output = [*names, *outputs][0]
        shape = outputs[self._output].shape
        require(
            shape.rank == 2 and shape[1] in (None, source.num_classes),
            f"{self._output} of the shape {shape}",
            f"be of {source.num_classes} classes",
        )
        with errors.about(f"teacher is {str(path)!r}"):
            self._places = source_lib.positions(
                _labels(path, source.num_classes) or source.labels,
                source.labels,
            )

    def targets(self, images: tf.Tensor) -> tf.Tensor:
        """The teacher's share of each class.

        Args:
          images: Normalized images, float32 [batch, height, width, 3].

        Returns:
          One-hot classes, or probabilities of a soft teacher, float32 [batch,
          num_classes].
        """
        source = self._source
        images = preprocessing.denormalize(images, source.mean, source.std)
        if None not in self._size and self._size != tuple(images.shape[1:3]):
            images = preprocessing.resize(images, self._size)
        answer = self._classify(**{self._input: images})[self._output]
        if not self._soft:
            found = tf.gather(self._places, tf.argmax(answer, axis=-1))
            return tf.one_hot(found, source.num_classes)
        if self._output == "logits":
            answer = tf.nn.softmax(answer)
        return tf.gather(answer, np.argsort(self._places), axis=1)


def _labels(path: str | os.PathLike[str], num_classes: int) -> list[str] | None:
    """The names of an export's classes. None: the model does not tell.

    Raises:
      InputError: They are damaged, or are not so many.
    """
    labels: list[str] | None = []
    with contextlib.suppress(errors.InputError):  # It is told below.
        labels = labels_lib.read(path)
    if labels is not None and not (
        len(labels) == len(set(labels)) == num_classes
    ):
        raise errors.InputError(
            f"{os.path.join(path, names.LABELS_FILE)} must be a JSON list of "
            f"{num_classes} different names"
        )
    return labels


def _takes_images(spec: tf.TensorSpec) -> bool:
    shape = spec.shape
    return (
        spec.dtype == tf.float32 and shape.rank == 4 and shape[3] in (None, 3)
    )
