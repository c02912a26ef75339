"""Pictures and scalars of a search, in its folder and in TensorBoard."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer import files
from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import front as front_lib
from tf_autoformer.evolution import selection
from tf_autoformer.experiment import tensorboard
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import cost
from tf_autoformer.space import model as model_lib


class SearchBoard:
    """Draws a search after each generation.

    Args:
      folder: Folder of the search. It gets the pictures as PNG files, and its
        log gets scalars and pictures.
      model: Fixed part of the network.
      further_costs: Costs of the candidates beyond `cost.COSTS`. Each is shown
        as the parameters are.
      front: Objectives of the search, whose front is shown. None: none is.
      choose: Function that takes the best of a ranking or front.
    """

    def __init__(
        self,
        folder: workdir_lib.SearchFolder,
        model: model_lib.ModelConfig,
        further_costs: Sequence[cost.Cost] = (),
        front: front_lib.Front | None = None,
        choose: selection.Choose = selection.first,
    ):
        self._folder = folder
        self._model = model
        self._further_costs = further_costs
        self._front = front
        self._choose = choose
        self._writer = tensorboard.open_writer(folder.log)

    def show(self, ranking: Sequence[selection.Candidate]) -> None:
        """Draws the search so far.

        Args:
          ranking: All candidates, ranked.

        Raises:
          InputError: The folder cannot be written.
        """
        generation = max(candidate.generation for candidate in ranking)
        accuracies = selection.accuracies(ranking, generation)
        front = self._front.members(ranking) if self._front else []
        best = self._choose(front or ranking)
        drawings = {
            "candidates": pictures.candidates(ranking),
            "progress": pictures.progress(ranking),
            "architecture": pictures.architecture(
                best.architecture, self._model
            ),
        }
        objectives = self._front.costs if self._front else ()
        for each in (*self._further_costs, *objectives):
            if each != cost.PARAMS:
                drawings[f"candidates_{each.name}"] = pictures.candidates(
                    ranking, each
                )
        # A search that is continued or measured shows its last one again.
        tensorboard.drop_from(self._writer, generation)
        with self._writer.as_default(generation):
            tf.summary.scalar("search/best_accuracy", best.accuracy)
            tf.summary.scalar("search/mean_accuracy", np.mean(accuracies))
            for each in (cost.PARAMS, *self._further_costs):
                tf.summary.scalar(
                    f"search/best_{each.name}", best.costs[each.name]
                )
            if self._front:
                tf.summary.scalar(
                    "search/hypervolume", self._front.hypervolume(front)
                )
            for name, drawing in drawings.items():
                encoded = pictures.png(drawing)
                files.write_bytes(self._folder.picture(name), encoded)
                image = tf.io.decode_png(encoded, channels=3)
                tf.summary.image(name, image[None])
        self._writer.flush()
