"""What TensorBoard shows of a training."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import tensorboard
from tf_autoformer.supernet import supernet as supernet_lib


class Summaries:
    """Writes the TensorBoard log of a training.

    Args:
      folder: Folder of the log.
      writes: Whether anything is written. Of several processes only one may.
    """

    def __init__(self, folder: pathlib.Path, writes: bool = True):
        self._writes = writes
        self._writer = (
            tensorboard.open_writer(folder)
            if writes
            else tf.summary.create_noop_writer()
        )

    def begin(self, step: int) -> None:
        """Begins a run, whose steps replace those of a run that was lost.

        Args:
          step: First step of the run, counted from 1.
        """
        if self._writes:
            tensorboard.drop_from(self._writer, step)

    def scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes the scalars of a step.

        Args:
          step: Number of the step.
          scalars: Mapping of names to values.
        """
        with self._writer.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)

    def hparams(self, experiment: experiment_lib.Experiment) -> None:
        """Writes the recipe, so that TensorBoard can compare trainings."""
        recipe = dataclasses.asdict(experiment.training)
        augmentation = dataclasses.asdict(experiment.augmentation)
        with self._writer.as_default(0):
            hparams.hparams(
                {
                    "dataset": experiment.dataset,
                    "drop_path": experiment.model.drop_path,
                    **recipe,
                    **augmentation,
                }
            )

    def histograms(self, step: int, supernet: supernet_lib.Supernet) -> None:
        """Writes the distribution of each weight."""
        with self._writer.as_default(step):
            for name, layer in supernet.elastic_layers().items():
                for weight in layer.axes:
                    tf.summary.histogram(
                        f"{name}/{weight}", getattr(layer, weight)
                    )

    def images(self, step: int, images: tf.Tensor) -> None:
        """Writes a square grid of a batch's first images.

        Args:
          step: Number of the batch's step.
          images: Images, float32 [batch, height, width, 3], of any range.
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
