"""How large an image may be, told from its header before it is decoded.

A file of a few kilobytes can otherwise take gigabytes.
"""

from typing import Any

import tensorflow as tf

PIXELS = 89_478_485  # Where Pillow begins to warn.
SIDE = 65_535  # A JPEG's largest. It bounds what a resized row takes.


def holds(height: Any, width: Any) -> Any:
    """Whether an image of this size keeps the limit. Of numbers or tensors."""
    return (height <= SIDE) & (width <= SIDE) & (height * width <= PIXELS)


def require(image: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """The bytes of an image whose header keeps the limit.

    Args:
      image: Bytes of the file, string [].
      shape: Height and width that its header names, integers [2].

    Raises:
      InvalidArgumentError: The image is too large.
    """
    shape = tf.cast(shape, tf.int64)
    required = tf.debugging.Assert(
        holds(*tf.unstack(shape, num=2)),
        [
            f"image must have at most {PIXELS} pixels, and {SIDE} to a side; "
            "height and width:",
            shape,
        ],
    )
    # Eager mode has raised by now, and has no operation to wait for.
    with tf.control_dependencies([] if required is None else [required]):
        return tf.identity(image)
