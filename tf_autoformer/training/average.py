"""Moving average of the weights, which only trained weights change."""

from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.supernet import program
from tf_autoformer.training import box as box_lib

# An element with n updates so far keeps n / (n + _RAMP) of its average, but no
# more than the decay.
_RAMP = 9


class EntangledAverage:
    """Exponential moving average. Elements that no update touches stay.

    A rarely sampled weight averages over its own last values. It does not
    drift to the latest while it is untrained.

    Each element starts from its first trained value. Its decay then grows with
    its own number of updates: 0, 1/10, 2/11, 3/12, … until it is `decay`. This
    is the ramp of `tf.train.ExponentialMovingAverage`, and the polynomial-decay
    averaging of Shamir & Zhang (2013, Stochastic Gradient Descent for
    Non-smooth Optimization) with eta = 8. So the average spans about the last
    tenth of the element's updates, however few they are. Adam's bias
    correction would weigh all values alike as long as there are fewer than
    1 / (1 - decay), those right after the random start included.

    Args:
      variables: Weights.
      averages: Variables of the averages, in the shapes of the weights.
      decay: Largest share of the average that an update keeps.
      compiled: Whether XLA compiles the updates, once for each shape of a box.

    Attributes:
      updates: Number of updates of each element, in the shapes of the weights.
        They are float32, as boxes are, and exact up to 2**24.
    """

    def __init__(
        self,
        variables: Sequence[tf.Variable],
        averages: Sequence[tf.Variable],
        decay: float,
        compiled: bool = False,
    ):
        self.updates = [
            tf.Variable(
                tf.zeros(variable.shape),
                trainable=False,
                # The same on all replicas, each of which sets its own.
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for variable in variables
        ]
        self._pairs = list(zip(variables, averages, strict=True))
        self._states = {
            variable.ref(): (average, updates)
            for (variable, average), updates in zip(
                self._pairs, self.updates, strict=True
            )
        }
        self._decay = decay
        self._update_one = self._update_box
        if not compiled:  # One trace serves variables of every shape.
            handle = tf.TensorSpec([], tf.resource)
            self._update_one = program.program(
                self._update_box,
                input_signature=[
                    tf.TensorSpec([None], tf.int32),
                    *[handle] * 3,
                ],
            )
        self._update = program.program(self._update_boxes, compiled)

    def start(self) -> None:
        """Copies the weights, before anything is trained."""
        for variable, average in self._pairs:
            average.assign(variable)

    def count_as(self, updates: int) -> None:
        """Sets the number of updates of every element.

        Args:
          updates: Number of updates.
        """
        for variable in self.updates:
            variable.assign(tf.fill(variable.shape, float(updates)))

    def update(
        self, shapes: Sequence[tf.Tensor], variables: Sequence[tf.Variable]
    ) -> None:
        """Takes in the boxes that an update has touched.

        Args:
          shapes: Shape of each box, int32 [rank].
          variables: Variables of the update.
        """
        states = [self._states[variable.ref()] for variable in variables]
        self._update(
            shapes,
            [variable.handle for variable in variables],
            [average.handle for average, _ in states],
            [updates.handle for _, updates in states],
        )

    def _update_boxes(
        self, shapes: Sequence[tf.Tensor], *handles: Sequence[tf.Tensor]
    ) -> None:
        for shape, *of_box in zip(shapes, *handles, strict=True):
            self._update_one(shape, *of_box)

    def _update_box(
        self,
        size: tf.Tensor,
        variable: tf.Tensor,
        average: tf.Tensor,
        updates: tf.Tensor,
    ) -> None:
        box = box_lib.Box(variable, size)
        value, _ = box.read(variable)
        mean, mean_rest = box.read(average)
        count, count_rest = box.read(updates)
        share = tf.maximum(1 - self._decay, _RAMP / (count + _RAMP))
        mean += (value - mean) * share
        box.write(average, mean, mean_rest)
        box.write(updates, count + 1, count_rest)
