"""AdamW that touches only the weights of the sampled subnet."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


class EntangledAdamW(tf.keras.optimizers.Optimizer):
    """AdamW on prefixes: Algorithm 1, "update the corresponding part of W".

    A gradient may be smaller than its variable on any axis. It then belongs
    to the variable's leading box of that shape, and exactly this box is
    updated, in the variable and in both moments, weight decay included.
    Everything outside keeps its value to the bit, and an update costs as much
    as the box is large. A variable without gradient is not touched.

    Inside the box the arithmetic is that of `tf.keras.optimizers.AdamW`, with
    the common count of iterations in the bias correction.

    Args:
      learning_rate: value or schedule.
      weight_decay: decoupled decay per step, times the learning rate.
        `exclude_from_weight_decay` takes variables out.
      beta_1: decay rate of the first moment.
      beta_2: decay rate of the second moment.
      epsilon: added to the root of the second moment.
    """

    def __init__(
        self,
        learning_rate: float
        | tf.keras.optimizers.schedules.LearningRateSchedule,
        weight_decay: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "EntangledAdamW",
    ):
        # jit_compile would compile anew for each shape of a box. The decay is
        # kept from the base class, which applies it to whole variables.
        super().__init__(name=name, weight_decay=None, jit_compile=False)
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.box_decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Makes the moments of all variables, sampled or not.

        Args:
          var_list: every variable that any subnet has. Call it once, before
            the first `apply_gradients`.
        """
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self.first_moments = [
            self.add_variable_from_reference(v, "first_moment")
            for v in var_list
        ]
        self.second_moments = [
            self.add_variable_from_reference(v, "second_moment")
            for v in var_list
        ]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates the leading box of `variable` of the gradient's shape."""
        dtype = variable.dtype
        rate = tf.cast(self.learning_rate, dtype)
        step = tf.cast(self.iterations + 1, dtype)
        corrected_rate = (
            rate
            * tf.sqrt(1 - tf.pow(tf.cast(self.beta_2, dtype), step))
            / (1 - tf.pow(tf.cast(self.beta_1, dtype), step))
        )
        index = self._index_dict[self._var_key(variable)]
        first_moment = self.first_moments[index]
        second_moment = self.second_moments[index]

        shape = tf.shape(gradient)
        first = _read(first_moment, shape)
        first += (gradient - first) * (1 - self.beta_1)
        second = _read(second_moment, shape)
        second += (tf.square(gradient) - second) * (1 - self.beta_2)
        value = _read(variable, shape)
        if self.box_decay and self._use_weight_decay(variable):
            value -= value * (rate * self.box_decay)
        value -= first * corrected_rate / (tf.sqrt(second) + self.epsilon)
        _write(first_moment, first, shape)
        _write(second_moment, second, shape)
        _write(variable, value, shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for base_only in ("weight_decay", "jit_compile", "is_legacy_optimizer"):
            config.pop(base_only, None)
        return {
            "name": self.name,
            "learning_rate": self._serialize_hyperparameter(
                self._learning_rate
            ),
            "weight_decay": self.box_decay,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


def _read(variable: tf.Variable, shape: tf.Tensor) -> tf.Tensor:
    """The leading box of `variable` of the given shape, an int32 vector."""
    return tf.slice(variable, tf.zeros_like(shape), shape)


def _write(variable: tf.Variable, box: tf.Tensor, shape: tf.Tensor) -> None:
    """Replaces the leading box of `variable`, of the given shape."""
    # What `variable[:rows, :columns].assign(box)` does, for any rank and in
    # fewer nodes of the graph.
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.handle,
        begin=tf.zeros_like(shape),
        end=shape,
        strides=tf.ones_like(shape),
        value=box,
    )
