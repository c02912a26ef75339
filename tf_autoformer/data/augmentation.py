"""Random changes of training images, on tensorflow-addons image operations."""

import math

import tensorflow as tf

from tf_autoformer.data import addons

# Of a digit on 8×8 pixels, what keeps it readable.
_MAX_ANGLE = math.radians(5)
_MAX_SHIFT = 0.04  # of the image's side
_MAX_ZOOM = 0.05


def flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors each image with probability one half, each by itself.

    Args:
      images: float32 [batch, height, width, channels].
      seed: int32 [2]; the same seed gives the same result.

    Returns:
      Images of the same shape.
    """
    draw = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed)
    return tf.where(draw < 0.5, images, tf.image.flip_left_right(images))


def jitter_geometry(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotates, shifts and zooms each image a little, each by itself.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      seed: int32 [2]; the same seed gives the same result.

    Returns:
      Images of the same shape and range; what comes in from outside is black.
    """
    batch = tf.shape(images)[0]
    height, width = images.shape[1:3]
    draw = tf.random.stateless_uniform([4, batch], seed, -1, 1)
    angle, shift_x, shift_y, zoom = tf.unstack(draw)
    angle *= _MAX_ANGLE
    scale = 1 + zoom * _MAX_ZOOM
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    # Around the centre: output (x, y) reads input (a0 x + a1 y + a2, …).
    x, y = (width - 1) / 2, (height - 1) / 2
    a2 = x - cosine * x + sine * y + shift_x * _MAX_SHIFT * width
    b2 = y - sine * x - cosine * y + shift_y * _MAX_SHIFT * height
    zero = tf.zeros_like(angle)
    transforms = tf.stack(
        [cosine, -sine, a2, sine, cosine, b2, zero, zero], axis=1
    )
    return addons.image.transform(images, transforms, interpolation="bilinear")
