"""Small rotations, shifts and zooms of tiny images."""

import math

import tensorflow as tf

from tf_autoformer.data.augmentation import addons

# These keep a digit of 8×8 pixels readable.
_MAX_ANGLE = math.radians(5)
_MAX_SHIFT = 0.04  # Share of the image's side.
_MAX_ZOOM = 0.05


def draw(count: int, size: tuple[int, int], seed: tf.Tensor) -> tf.Tensor:
    """Draws a small rotation, shift and zoom for each of some images.

    Args:
      count: Number of images.
      size: Height and width of the images in pixels.
      seed: Seed int32 [2]. The same seed gives the same result.

    Returns:
      Transforms for `apply`, float32 [count, 8].
    """
    height, width = size
    draws = tf.random.stateless_uniform([4, count], seed, -1, 1)
    angle, shift_x, shift_y, zoom = tf.unstack(draws)
    angle *= _MAX_ANGLE
    scale = 1 + zoom * _MAX_ZOOM
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    # Around the centre: output (x, y) reads input (a0 x + a1 y + a2, …).
    x, y = (width - 1) / 2, (height - 1) / 2
    a2 = x - cosine * x + sine * y + shift_x * _MAX_SHIFT * width
    b2 = y - sine * x - cosine * y + shift_y * _MAX_SHIFT * height
    zero = tf.zeros_like(angle)
    return tf.stack([cosine, -sine, a2, sine, cosine, b2, zero, zero], axis=1)


def apply(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Rotates, shifts and zooms images.

    Args:
      images: Images float32 [batch, height, width, channels] in [0, 1].
      transforms: Transforms from `draw`, float32 [batch, 8].

    Returns:
      Images of the same shape and range. Pixels from outside are black.
    """
    return addons.image.transform(images, transforms, interpolation="BILINEAR")
