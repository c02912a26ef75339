"""AdamW that touches only the weights of the sampled subnet."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_autoformer.supernet import packing, program
from tf_autoformer.training import box as box_lib

GradientsAndVariables = Iterable[tuple[tf.Tensor, tf.Variable]]


class Rates(NamedTuple):
    """Rates of a step. All are float32 scalars.

    Attributes:
      learning_rate: Learning rate.
      corrected: Learning rate with Adam's bias correction.
      decay: Share of a decayed weight that is taken away.
    """

    learning_rate: tf.Tensor
    corrected: tf.Tensor
    decay: tf.Tensor


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
      compiled: Whether XLA compiles the updates, once for each shape of a box.
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
        compiled: bool = False,
        name: str = "EntangledAdamW",
    ):
        # Keras would compile the update of all weights at once, anew for each
        # architecture. It gets no weight_decay, as it would decay whole
        # variables.
        super().__init__(name=name, weight_decay=None, jit_compile=False)
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.box_decay = weight_decay
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.compiled = compiled
        handle, scalar = tf.TensorSpec([], tf.resource), tf.TensorSpec([])
        self._update_one = self._update_box
        if not compiled:  # One trace serves variables of every shape.
            self._update_one = program.program(
                self._update_box,
                input_signature=[
                    tf.TensorSpec(None),
                    *[handle] * 3,
                    *[scalar] * 2,
                ],
            )
        self._update = program.program(self._update_packed, compiled)

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

    def rates(self) -> Rates:
        """The rates of this step."""
        rate = self._learning_rate
        if isinstance(rate, tf.keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(self.iterations)
        rate = tf.cast(rate, tf.float32)
        step = tf.cast(self.iterations + 1, tf.float32)
        corrected = (
            rate
            * tf.sqrt(1 - tf.pow(self.beta_2, step))
            / (1 - tf.pow(self.beta_1, step))
        )
        return Rates(rate, corrected, rate * self.box_decay)

    def update_boxes(self, grads_and_vars: GradientsAndVariables) -> None:
        """Updates each variable's leading box of its gradient's shape.

        The count of iterations is left to the caller. In a replica, call it
        with gradients that are summed over all replicas. Each then updates its
        own copy.

        Args:
          grads_and_vars: Gradients and their variables.
        """
        gradients, variables = zip(*grads_and_vars, strict=True)
        self.update_packed(
            packing.pack(gradients), list(map(tf.shape, gradients)), variables
        )

    def update_packed(
        self,
        gradients: tf.Tensor,
        shapes: Sequence[tf.Tensor],
        variables: Sequence[tf.Variable],
        rates: Rates | None = None,
    ) -> None:
        """`update_boxes` with the gradients in one vector.

        Args:
          gradients: Gradients of all variables. See `packing.pack`.
          shapes: Shape of each gradient, int32 [rank].
          variables: Their variables.
          rates: Rates of this step, if they are at hand.
        """
        rates = rates or self.rates()
        indices = [self._index_dict[self._var_key(v)] for v in variables]
        self._update(
            gradients,
            shapes,
            [v.handle for v in variables],
            [self.first_moments[index].handle for index in indices],
            [self.second_moments[index].handle for index in indices],
            rates.corrected,
            rates.decay,
            tuple(self._use_weight_decay(v) for v in variables),
        )

    def _update_packed(
        self,
        gradients: tf.Tensor,
        shapes: Sequence[tf.Tensor],
        variables: Sequence[tf.Tensor],
        first_moments: Sequence[tf.Tensor],
        second_moments: Sequence[tf.Tensor],
        rate: tf.Tensor,
        decay: tf.Tensor,
        decayed: tuple[bool, ...],
    ) -> None:
        """Updates the boxes of several variables, given by their handles."""
        for gradient, *handles, decays in zip(
            packing.unpack(gradients, shapes),
            variables,
            first_moments,
            second_moments,
            decayed,
            strict=True,
        ):
            self._update_one(
                gradient, *handles, rate, decay if decays else tf.zeros([])
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
        box = box_lib.Box(variable, tf.shape(gradient))
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
            "compiled": self.compiled,
        }
