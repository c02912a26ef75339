"""Keeps gradients that are not finite away from the weights."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# As Keras' LossScaleOptimizer has them.
_FIRST_SCALE = 2.0**15
_GROWTH_STEPS = 2000


class Guard(tf.Module):
    """Skips updates that are not finite, and scales the loss of float16.

    The scale doubles after 2000 finite updates in a row and halves at each
    update that is not finite. So the gradients stay within float16's range
    (Micikevicius et al., Mixed Precision Training, section 3.2).

    Args:
      scales: Whether the loss is scaled. Updates are then skipped as well.
      skips: Whether updates that are not finite are skipped.

    Attributes:
      scale: Scale of the loss, float32.
      finite_steps: Number of finite updates in a row since the scale changed,
        int32.
      skipped: Number of updates skipped so far, int32.
    """

    def __init__(self, scales: bool = False, skips: bool = False):
        super().__init__()
        self._scales = scales
        self._skips = skips or scales
        self.scale = self._state(_FIRST_SCALE if scales else 1.0)
        self.finite_steps = self._state(0)
        self.skipped = self._state(0)

    def _state(self, value: float) -> tf.Variable:
        return tf.Variable(
            value,
            trainable=False,
            # The same on all replicas, each of which sets its own.
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def unscaled(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The gradients of the loss itself."""
        if not self._scales:
            return list(gradients)
        return [gradient / self.scale for gradient in gradients]

    def apply(self, finite: tf.Tensor, update: Callable[[], None]) -> None:
        """Calls `update`, unless it is to be skipped.

        Args:
          finite: Whether loss and gradients are finite, a bool scalar. It is
            the same on all replicas.
          update: Function that changes the weights.
        """
        if not self._skips:
            update()
            return

        def updated() -> tf.Tensor:
            update()
            return tf.constant(True)

        tf.cond(finite, updated, lambda: tf.constant(False))
        _assign(self.skipped, self.skipped + tf.cast(~finite, tf.int32))
        if self._scales:
            steps = tf.where(finite, self.finite_steps + 1, 0)
            grows = steps >= _GROWTH_STEPS
            factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
            _assign(self.scale, tf.maximum(self.scale * factor, 1.0))
            _assign(self.finite_steps, tf.where(grows, 0, steps))


def _assign(variable: tf.Variable, value: tf.Tensor) -> None:
    """Sets a replica's own copy."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
