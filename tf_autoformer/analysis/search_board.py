"""What TensorBoard and the search's folder show of a search."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer import files
from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import tensorboard
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import model as model_lib


class SearchBoard:
    """Draws a search after each generation.

    Args:
      folder: Folder of the search. It gets the pictures as PNG files, and its
        log gets scalars and pictures.
      model: Fixed part of the network.
    """

    def __init__(
        self,
        folder: workdir_lib.SearchFolder,
        model: model_lib.ModelConfig,
    ):
        self._folder = folder
        self._model = model
        self._writer = tensorboard.open_writer(folder.log)

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
                files.write_bytes(self._folder.picture(name), encoded)
                image = tf.io.decode_png(encoded, channels=3)
                tf.summary.image(name, image[None])
        self._writer.flush()
