"""The leading boxes of variables, by their handles.

Handles and not variables, so that one graph serves variables of every shape.
"""

from collections.abc import Callable

import tensorflow as tf


def in_one_trace(
    update: Callable[..., None], handles: int, scalars: int
) -> Callable[..., None]:
    """`update` as a function of one trace for variables of every shape.

    It is not inlined: a graph holds it once, however many weights there are.

    Args:
      update: of a tensor of a box's shape, handles and float32 scalars.
      handles: their number.
      scalars: their number.
    """
    return tf.function(
        update,
        [
            tf.TensorSpec(None),
            *[tf.TensorSpec([], tf.resource)] * handles,
            *[tf.TensorSpec([])] * scalars,
        ],
        autograph=False,
        experimental_attributes={"_noinline": True},
    )


class Box:
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
