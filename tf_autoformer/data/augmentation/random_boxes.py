"""Random boxes of a random area and a random proportion."""

import tensorflow as tf

_TRIES = 10


def draw(
    shape: tf.Tensor,
    largest: tf.Tensor,
    area: tuple[float, float],
    aspect: tuple[float, float],
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws a box in an image: the first of ten that is not too large.

    Args:
      shape: int32 [2], the image's height and width.
      largest: int32 [2], height and width that no box may exceed.
      area: from and to which share of the image's area, uniformly.
      aspect: from and to which width over height, uniformly in the logarithm.
      seed: int32 [2].

    Returns:
      Whether one of the ten fits, bool; and its top, left, height and width,
      int32 [4], every place in the image being as likely as another.
    """
    sides_seed, place_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    draws = tf.random.stateless_uniform([2, _TRIES], sides_seed)
    low, high = tf.unstack(tf.math.log(tf.constant(aspect, tf.float32)))
    root_aspect = tf.exp((low + draws[1] * (high - low)) / 2)
    pixels = tf.reduce_prod(tf.cast(shape, tf.float32))
    root_area = tf.sqrt(pixels * (area[0] + draws[0] * (area[1] - area[0])))
    sides = tf.stack([root_area / root_aspect, root_area * root_aspect], 1)
    sides = tf.cast(tf.round(sides), tf.int32)  # [tries, (height, width)]
    fits = tf.reduce_all((sides > 0) & (sides <= largest), axis=1)
    sides = sides[tf.argmax(fits)]
    room = shape - sides
    place = tf.random.stateless_uniform([2], place_seed)
    place *= tf.cast(room + 1, tf.float32)
    # Rounding may reach what the draw, below 1, does not.
    place = tf.minimum(tf.cast(place, tf.int32), room)
    return tf.reduce_any(fits), tf.concat([place, sides], axis=0)
