"""The leading boxes of variables, by their handles.

Handles and not variables, so that one graph serves variables of every shape.
"""

import tensorflow as tf


class Box:
    """The leading box of variables of one shape.

    The box may be smaller than the variables on the first axis and on one
    more.

    Args:
      variable: Handle of one of the variables.
      size: Shape of the box, int32 [rank].
    """

    def __init__(self, variable: tf.Tensor, size: tf.Tensor):
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
        """The box of a variable, and the rest of it.

        Args:
          variable: Handle of the variable.
        """
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
        """Replaces the box of a variable.

        Args:
          variable: Handle of the variable.
          box: New content of the box.
          rest: Rest of the variable, as `read` returns it.
        """
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
