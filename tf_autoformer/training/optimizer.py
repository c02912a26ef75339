"""AdamW that touches only the weights of the sampled subnet."""

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.training import box as box_lib

GradientsAndVariables = Iterable[tuple[tf.Tensor, tf.Variable]]


class EntangledAdamW(tf.keras.optimizers.Optimizer):
    """AdamW on prefixes: Algorithm 1, "update the corresponding part of W".

    A gradient may be smaller than its variable on the first axis and on one
    more. It then belongs to the variable's leading box of that shape. Exactly
    this box is updated, in the variable and in both moments, weight decay
    included. Everything outside keeps its value to the bit. It is copied, so
    the arithmetic costs as much as the box is large, and the copy as much as
    the variable. A variable without gradient is not touched.

    Inside the box the arithmetic is that of `tf.keras.optimizers.AdamW`, with
    the common count of iterations in the bias correction.

    Args:
      learning_rate: Learning rate, a value or a schedule.
      weight_decay: Decoupled decay of a step, as a multiple of the learning
        rate. `exclude_from_weight_decay` takes variables out.
      beta_1: Decay rate of the first moment.
      beta_2: Decay rate of the second moment.
      epsilon: Number that is added to the root of the second moment.
      name: Name of the optimizer.
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
        # jit_compile would compile anew for each shape of a box. The base
        # class gets no weight_decay, as it would decay whole variables.
        super().__init__(name=name, weight_decay=None, jit_compile=False)
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.box_decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._update = box_lib.in_one_trace(self._update_box, 3, 2)

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Makes the moments of all variables, sampled or not.

        Call it once, before the first `apply_gradients`.

        Args:
          var_list: Every variable that any subnet has.
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

    def _internal_apply_gradients(
        self, grads_and_vars: GradientsAndVariables
    ) -> tf.Tensor:
        """Updates. `apply_gradients` calls it with sums over the replicas."""
        self.update_boxes(grads_and_vars)
        return self.iterations.assign_add(1)

    def current_rate(self) -> tf.Tensor:
        """The learning rate of this step, a float32 scalar."""
        rate = self._learning_rate
        if isinstance(rate, tf.keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(self.iterations)
        return tf.cast(rate, tf.float32)

    def update_boxes(self, grads_and_vars: GradientsAndVariables) -> None:
        """Updates each variable's leading box of its gradient's shape.

        The count of iterations is left to the caller. In a replica, call it
        with gradients that are summed over all replicas. Each then updates its
        own copy.

        Args:
          grads_and_vars: Gradients and their variables.
        """
        rate = self.current_rate()
        step = tf.cast(self.iterations + 1, tf.float32)
        corrected_rate = (
            rate
            * tf.sqrt(1 - tf.pow(self.beta_2, step))
            / (1 - tf.pow(self.beta_1, step))
        )
        decay, no_decay = rate * self.box_decay, tf.zeros([])
        for gradient, variable in grads_and_vars:
            index = self._index_dict[self._var_key(variable)]
            self._update(
                gradient,
                variable.handle,
                self.first_moments[index].handle,
                self.second_moments[index].handle,
                corrected_rate,
                decay if self._use_weight_decay(variable) else no_decay,
            )

    def _update_box(
        self,
        gradient: tf.Tensor,
        variable: tf.Tensor,
        first_moment: tf.Tensor,
        second_moment: tf.Tensor,
        rate: tf.Tensor,
        decay: tf.Tensor,
    ) -> None:
        """Updates the leading box of a variable and of its moments.

        Args:
          gradient: Gradient in the shape of the box.
          variable: Handle of the variable.
          first_moment: Handle of its first moment.
          second_moment: Handle of its second moment.
          rate: Learning rate, bias correction included.
          decay: Share of the box's values that decays.
        """
        box = box_lib.Box(variable, gradient)
        first, first_rest = box.read(first_moment)
        first += (gradient - first) * (1 - self.beta_1)
        box.write(first_moment, first, first_rest)
        second, second_rest = box.read(second_moment)
        second += (tf.square(gradient) - second) * (1 - self.beta_2)
        box.write(second_moment, second, second_rest)
        value, rest = box.read(variable)
        value -= value * decay
        value -= first * rate / (tf.sqrt(second) + self.epsilon)
        box.write(variable, value, rest)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
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
