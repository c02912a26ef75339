"""From stored pixels to what the networks see."""

from collections.abc import Sequence

import tensorflow as tf


def decode(image: tf.Tensor) -> tf.Tensor:
    """JPEG, PNG or BMP bytes as pixels, uint8 [height, width, 3]."""
    return tf.io.decode_image(image, channels=3, expand_animations=False)


def to_rgb(
    image: tf.Tensor, size: tuple[int, int], crop: float | None = None
) -> tf.Tensor:
    """One image as the exported models take it.

    Args:
      image: uint8 [height, width, 1 or 3], any size.
      size: height and width of the result in pixels.
      crop: the share of each side of the largest centred box of the result's
        proportions that is kept; None to keep all and change the proportions.

    Returns:
      float32 [*size, 3], RGB in [0, 1].
    """
    pixels = tf.image.convert_image_dtype(image, tf.float32)
    if pixels.shape[-1] == 1:
        pixels = tf.image.grayscale_to_rgb(pixels)
    if crop is not None:
        shape = tf.cast(tf.shape(pixels)[:2], tf.float64)
        scale = tf.reduce_max(size / shape) / crop
        pixels = _resize(pixels, tf.cast(tf.round(shape * scale), tf.int32))
        pixels = tf.image.resize_with_crop_or_pad(pixels, *size)
    elif pixels.shape[:2] != size:
        pixels = _resize(pixels, size)
    return tf.ensure_shape(pixels, [*size, 3])


def _resize(pixels: tf.Tensor, size: Sequence[int] | tf.Tensor) -> tf.Tensor:
    resized = tf.image.resize(pixels, size, method="bicubic", antialias=True)
    return tf.clip_by_value(resized, 0.0, 1.0)  # Bicubic overshoots.


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
