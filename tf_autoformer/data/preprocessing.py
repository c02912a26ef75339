"""From stored pixels to what the networks see."""

from collections.abc import Sequence

import tensorflow as tf


def to_rgb(image: tf.Tensor, size: int) -> tf.Tensor:
    """One image as the exported models take it.

    Args:
      image: uint8 [height, width, 1 or 3], any size.
      size: height and width of the result in pixels.

    Returns:
      float32 [size, size, 3], RGB in [0, 1].
    """
    pixels = tf.image.convert_image_dtype(image, tf.float32)
    if pixels.shape[-1] == 1:
        pixels = tf.image.grayscale_to_rgb(pixels)
    if pixels.shape[:2] != (size, size):
        pixels = tf.image.resize(
            pixels, [size, size], method="bicubic", antialias=True
        )
        pixels = tf.clip_by_value(pixels, 0.0, 1.0)  # Bicubic overshoots.
    return tf.ensure_shape(pixels, [size, size, 3])


def normalize(
    images: tf.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tf.Tensor:
    """[0, 1] to zero mean and unit variance over the training images.

    Args:
      images: float32 [batch, height, width, 3] in [0, 1].
      mean: of each channel.
      std: of each channel.
    """
    return (images - tf.constant(mean)) / tf.constant(std)
