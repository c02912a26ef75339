"""Gradients of a part of the network as one vector.

A norm, a sum over replicas or a check then reads a few long vectors in place of
hundreds of small tensors.
"""

from collections.abc import Sequence

import tensorflow as tf


def pack(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The values of tensors, one after the other, float32 [size].

    Args:
      tensors: Tensors of any shape and floating-point type, or slices that
        repeat rows, as gradients may be.
    """
    tensors = map(tf.convert_to_tensor, tensors)
    return tf.concat(
        [tf.reshape(tf.cast(x, tf.float32), [-1]) for x in tensors], axis=0
    )


def unpack(packed: tf.Tensor, shapes: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The tensors of a vector.

    Args:
      packed: Vector of `pack`.
      shapes: Shape of each tensor, int32 [rank].
    """
    sizes = [tf.reduce_prod(shape) for shape in shapes]
    return [
        tf.reshape(values, shape)
        for values, shape in zip(
            tf.split(packed, sizes, num=len(sizes)), shapes, strict=True
        )
    ]


def add_boxes(
    packed: tf.Tensor,
    shapes: Sequence[tf.Tensor],
    boxes: tf.Tensor,
    box_shapes: Sequence[tf.Tensor],
) -> tf.Tensor:
    """The vector of tensors, to the leading boxes of which others are added.

    Args:
      packed: Vector of the tensors.
      shapes: Shapes of the tensors.
      boxes: Vector of the boxes.
      box_shapes: Shapes of the boxes. None is larger than its tensor.
    """
    sums = []
    for total, box in zip(
        unpack(packed, shapes), unpack(boxes, box_shapes), strict=True
    ):
        beyond = tf.shape(total) - tf.shape(box)
        paddings = tf.stack([tf.zeros_like(beyond), beyond], axis=1)
        sums.append(total + tf.pad(box, paddings))
    return pack(sums)
