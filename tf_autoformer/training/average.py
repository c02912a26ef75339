"""Moving average of the weights, which only trained weights change."""

from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.training import box as box_lib
from tf_autoformer.training import optimizer as optimizer_lib


class EntangledAverage:
    """Exponential moving average. Elements that no update touches stay.

    A rarely sampled weight averages over its own last values. It does not
    drift to the latest while it is untrained.

    Args:
      variables: Weights.
      averages: Variables of the averages, in the shapes of the weights.
      decay: Share of the average that an update keeps.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        averages: Sequence[tf.Variable],
        decay: float,
    ):
        self._pairs = list(zip(variables, averages, strict=True))
        self._averages = {v.ref(): average for v, average in self._pairs}
        self._decay = decay
        self._update = box_lib.in_one_trace(self._update_box, 2, 0)

    def start(self) -> None:
        """Copies the weights, before anything is trained."""
        for variable, average in self._pairs:
            average.assign(variable)

    def update(
        self, grads_and_vars: optimizer_lib.GradientsAndVariables
    ) -> None:
        """Takes in the boxes that an update has touched.

        Args:
          grads_and_vars: Gradients and variables of the update. The shapes of
            the gradients are those of the boxes.
        """
        for gradient, variable in grads_and_vars:
            average = self._averages[variable.ref()]
            self._update(gradient, variable.handle, average.handle)

    def _update_box(
        self, like: tf.Tensor, variable: tf.Tensor, average: tf.Tensor
    ) -> None:
        box = box_lib.Box(variable, like)
        value, _ = box.read(variable)
        mean, rest = box.read(average)
        mean += (value - mean) * (1 - self._decay)
        box.write(average, mean, rest)
