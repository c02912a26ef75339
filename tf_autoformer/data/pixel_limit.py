"""How large an image may be, told from its header before it is decoded.

A file of a few kilobytes can otherwise take gigabytes.
"""

from typing import TYPE_CHECKING, Any

from tf_autoformer import rules

if TYPE_CHECKING:
    import tensorflow as tf

PIXELS = 89_478_485  # The default: where Pillow begins to warn.
LARGEST = 2**29 - 1  # TensorFlow decodes no image of more pixels.
SIDE = 65_535  # A JPEG's largest. It bounds what a resized row takes.

RULES = (rules.POSITIVE, rules.at_most(LARGEST))


def holds(height: Any, width: Any, max_pixels: Any) -> Any:
    """Whether an image of this size keeps the limit. Of numbers or tensors."""
    return (height <= SIDE) & (width <= SIDE) & (height * width <= max_pixels)


def require(
    image: "tf.Tensor", shape: "tf.Tensor", max_pixels: "tf.Tensor"
) -> "tf.Tensor":
    """The bytes of an image whose header keeps the limit.

    Args:
      image: Bytes of the file, string [].
      shape: Height and width that its header names, integers [2].
      max_pixels: Largest number of pixels, int64 [].

    Raises:
      InvalidArgumentError: The image is too large.
    """
    import tensorflow as tf  # Late, as flags have the constants.

    shape = tf.cast(shape, tf.int64)
    required = tf.debugging.Assert(
        holds(*tf.unstack(shape, num=2), max_pixels),
        [
            "image must have at most",
            max_pixels,
            f"pixels, and {SIDE} to a side; height and width:",
            shape,
        ],
    )
    # Eager mode has raised by now, and has no operation to wait for.
    with tf.control_dependencies([] if required is None else [required]):
        return tf.identity(image)
