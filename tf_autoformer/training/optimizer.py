"""AdamW that touches only the weights of the sampled subnet."""

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf


class EntangledAdamW(tf.keras.optimizers.Optimizer):
    """AdamW on prefixes: Algorithm 1, "update the corresponding part of W".

    A gradient may be smaller than its variable on the first axis and on one
    more. It then belongs to the variable's leading box of that shape, and
    exactly this box is updated, in the variable and in both moments, weight
    decay included. Everything outside keeps its value to the bit: it is copied,
    so the arithmetic costs as much as the box is large, and the copy as much as
    the variable. A variable without gradient is not touched.

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
        # One trace for variables and boxes of every shape, and not inlined:
        # a graph holds it once, however many weights there are.
        resource, scalar = tf.TensorSpec([], tf.resource), tf.TensorSpec([])
        self._update = tf.function(
            self._update_box,
            [tf.TensorSpec(None), *[resource] * 3, scalar, scalar],
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

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

    def _internal_apply_gradients(
        self, grads_and_vars: Iterable[tuple[tf.Tensor, tf.Variable]]
    ) -> tf.Tensor:
        """Updates each variable's leading box of its gradient's shape.

        Where Keras calls it, gradients are the same on all replicas: so each
        replica updates its own copy, without the detour through all.
        """
        rate = tf.cast(self.learning_rate, tf.float32)
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
        return self.iterations.assign_add(1)

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
          gradient: of the box.
          variable: its handle, as all others.
          first_moment: likewise.
          second_moment: likewise.
          rate: the learning rate, bias correction included.
          decay: share of the box to take off.
        """
        box = _Box(variable, gradient)
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


class _Box:
    """The leading box, of a tensor's shape, of variables of one shape.

    It may be smaller than they are on the first axis and on one more.

    Args:
      variable: handle of one of them.
      like: tensor of the box's shape.
    """

    def __init__(self, variable: tf.Tensor, like: tf.Tensor):
        size = tf.shape(like)
        beyond = tf.shape(_whole(variable)) - size
        first = tf.one_hot(0, tf.size(size), dtype=tf.int32)
        inner = beyond * (1 - first)
        # The other axis, if any; else there is no rest.
        self._axis = tf.argmax(inner, output_type=tf.int32)
        other = tf.one_hot(self._axis, tf.size(size), dtype=tf.int32)
        self._begins = [tf.zeros_like(size), other * size, first * size]
        self._sizes = [size, inner + (1 - other) * size, -tf.ones_like(size)]

    def read(
        self, variable: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        """The box of the variable with this handle, and what is beyond it."""
        whole = _whole(variable)
        box, right, below = (
            tf.slice(whole, begin, size)
            for begin, size in zip(self._begins, self._sizes, strict=True)
        )
        return box, (right, below)

    def write(
        self,
        variable: tf.Tensor,
        box: tf.Tensor,
        rest: tuple[tf.Tensor, tf.Tensor],
    ) -> None:
        """Replaces the box of the variable with this handle."""
        # To copy the rest is many times faster than ResourceStridedSliceAssign,
        # which goes element by element; and scatters by row would have every
        # later read copy the variable.
        right, below = rest
        rows = tf.concat([box, right], self._axis)
        tf.raw_ops.AssignVariableOp(
            resource=variable, value=tf.concat([rows, below], 0)
        )


def _whole(variable: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.ReadVariableOp(resource=variable, dtype=tf.float32)
