"""A trained classifier whose predictions the supernet learns too."""

import os
from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer import errors


class Teacher:
    """Labels images by a SavedModel, for hard-label distillation (DeiT).

    Its `serving_default` takes one batch of float32 RGB images in [0, 1], and
    answers with `logits` or `probabilities`, or with one output of any name:
    what this package exports, for example.

    Args:
      path: the SavedModel's folder.
      num_classes: of the supernet.
      mean: of the supernet's normalization, for each channel.
      std: likewise.

    Raises:
      InputError: it cannot be loaded, or takes or answers something else.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
    ):
        try:
            self._model = tf.saved_model.load(os.path.expanduser(path))
            self._classify = self._model.signatures["serving_default"]
        except (tf.errors.OpError, OSError, KeyError) as error:
            raise errors.InputError(
                f"teacher is {str(path)!r}; it must be a SavedModel with the "
                f"signature serving_default: {errors.reason(error)}"
            ) from error
        self._num_classes = num_classes
        self._mean, self._std = tf.constant(mean), tf.constant(std)
        inputs = self._classify.structured_input_signature[1]
        outputs = self._classify.structured_outputs
        names = [n for n in ("logits", "probabilities") if n in outputs]
        shapes = [spec.shape for spec in inputs.values()]
        if [shape.rank for shape in shapes] != [4]:
            raise errors.InputError(
                f"teacher is {str(path)!r}, which takes {shapes}; it must take "
                "one batch of images"
            )
        ((self._input, _),) = inputs.items()
        self._size = tuple(shapes[0][1:3])
        self._output = [*names, *outputs][0]
        shape = outputs[self._output].shape
        if shape.rank != 2 or shape[1] not in (None, num_classes):
            raise errors.InputError(
                f"teacher is {str(path)!r}, whose {self._output} have the "
                f"shape {shape}; they must be of {num_classes} classes"
            )

    def targets(self, images: tf.Tensor) -> tf.Tensor:
        """One-hot classes that the teacher finds likeliest.

        Args:
          images: float32 [batch, height, width, 3], normalized.

        Returns:
          float32 [batch, num_classes].
        """
        images = images * self._std + self._mean
        if None not in self._size and self._size != tuple(images.shape[1:3]):
            images = tf.image.resize(images, self._size, method="bicubic")
        answer = self._classify(**{self._input: images})[self._output]
        return tf.one_hot(tf.argmax(answer, axis=-1), self._num_classes)
