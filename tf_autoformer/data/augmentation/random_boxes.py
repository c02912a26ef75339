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

    Every place in the image is equally likely.

    Args:
      shape: Height and width of the image, int32 [2].
      largest: Height and width that no box may exceed, int32 [2].
      area: Smallest and largest share of the image's area. Shares are uniform.
      aspect: Smallest and largest width over height. Their logarithms are
        uniform.
      seed: Seed int32 [2].

    Returns:
      Whether one of the ten fits, bool [], and top, left, height and width of
      this box, int32 [4].
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
    # The draw is below 1, but its product may be rounded up to the limit.
    place = tf.minimum(tf.cast(place, tf.int32), room)
    return tf.reduce_any(fits), tf.concat([place, sides], axis=0)
