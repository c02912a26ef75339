"""What TensorBoard and the search's folder show of a search."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer import files
from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import algorithm
from tf_autoformer.space import model as model_lib
from tf_autoformer.training import summaries


class SearchBoard:
    """Draws a search after each generation.

    Args:
      workdir: scalars and pictures go to `tensorboard/` there.
      folder: the search's own, which gets the pictures as PNG files.
      model: the fixed part of the network.
    """

    def __init__(
        self,
        workdir: str | os.PathLike[str],
        folder: pathlib.Path,
        model: model_lib.ModelConfig,
    ):
        self._folder = folder
        self._model = model
        log = pathlib.Path(workdir) / "tensorboard" / f"search_{folder.name}"
        self._writer = summaries.open_writer(log)

    def show(self, ranking: Sequence[algorithm.Candidate]) -> None:
        """Draws the search so far.

        Args:
          ranking: all candidates, ranked.
        """
        generation = max(candidate.generation for candidate in ranking)
        accuracies = algorithm.accuracies(ranking, generation)
        best = ranking[0]
        drawings = {
            "candidates": pictures.candidates(ranking),
            "progress": pictures.progress(ranking),
            "architecture": pictures.architecture(
                best.architecture, self._model
            ),
        }
        with self._writer.as_default(generation):
            tf.summary.scalar("search/best_accuracy", best.accuracy)
            tf.summary.scalar("search/mean_accuracy", np.mean(accuracies))
            tf.summary.scalar("search/best_params", best.costs["params"])
            for name, drawing in drawings.items():
                encoded = pictures.png(drawing)
                files.write_bytes(self._folder / f"{name}.png", encoded)
                image = tf.io.decode_png(encoded, channels=3)
                tf.summary.image(name, image[None])
        self._writer.flush()
