"""What TensorBoard shows of a training."""

import math
import os
import pathlib
from collections.abc import Mapping

import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.training import step as step_lib


def open_writer(folder: pathlib.Path) -> tf.summary.SummaryWriter:
    """Opens a TensorBoard log.

    Raises:
      InputError: the folder cannot be written.
    """
    try:
        return tf.summary.create_file_writer(str(folder))
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"cannot write to {folder}: {errors.reason(error)}"
        ) from error


class Summaries:
    """Writes under `tensorboard/train` of a working folder."""

    def __init__(self, workdir: str | os.PathLike[str]):
        folder = pathlib.Path(workdir) / "tensorboard" / "train"
        self._writer = open_writer(folder)

    def metrics(
        self, step: int, metrics: step_lib.StepMetrics, speed: float
    ) -> None:
        """Writes a step's scalars.

        Args:
          step: its number.
          metrics: its loss, gradient norm and learning rate.
          speed: images per second.
        """
        with self._writer.as_default(step):
            for name, value in metrics._asdict().items():
                tf.summary.scalar(f"training/{name}", value)
            tf.summary.scalar("training/images_per_second", speed)

    def accuracies(self, step: int, accuracies: Mapping[str, float]) -> None:
        """Writes the validation accuracy of each named subnet."""
        with self._writer.as_default(step):
            for name, accuracy in accuracies.items():
                tf.summary.scalar(f"validation_accuracy/{name}", accuracy)

    def images(self, step: int, images: tf.Tensor) -> None:
        """Writes a square grid of a batch's first images.

        Args:
          step: its number.
          images: float32 [batch, height, width, 3], of any range.
        """
        side = min(5, math.isqrt(images.shape[0]))
        low, high = tf.reduce_min(images), tf.reduce_max(images)
        tiles = (images[: side * side] - low) / tf.maximum(high - low, 1e-6)
        # A grey frame around each tells neighbours apart.
        tiles = tf.pad(
            tiles, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=0.5
        )
        height, width, channels = tiles.shape[1:]
        tiles = tf.reshape(tiles, [side, side, height, width, channels])
        grid = tf.reshape(
            tf.transpose(tiles, [0, 2, 1, 3, 4]),
            [1, side * height, side * width, channels],
        )
        # Small images are enlarged, so that TensorBoard shows their pixels.
        scale = max(1, 300 // (side * height))
        grid = tf.image.resize(
            grid, [side * height * scale, side * width * scale], "nearest"
        )
        with self._writer.as_default(step):
            tf.summary.image("augmented_images", grid)

    def flush(self) -> None:
        """Puts what was written on disk."""
        self._writer.flush()
