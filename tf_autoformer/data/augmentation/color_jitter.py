"""Random brightness, contrast and saturation of one image."""

import functools

import tensorflow as tf

from tf_autoformer.data.augmentation import colors


def apply(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation, in random order.

    Each by a factor of its own, uniform in [max(0, 1 − strength), 1 +
    strength]: torchvision's ColorJitter with the hue left as it is.

    Args:
      image: uint8 [height, width, 3], RGB.
      seed: int32 [2]; the same seed gives the same result.
      strength: 0 for no change.

    Returns:
      uint8 of the same shape.
    """
    changes = (colors.brightness, colors.contrast, colors.saturation)
    seeds = tf.random.experimental.stateless_split(seed, 2)
    order = tf.random.experimental.stateless_shuffle(
        tf.range(len(changes)), seeds[0]
    )
    factors = tf.random.stateless_uniform(
        [len(changes)], seeds[1], max(0.0, 1 - strength), 1 + strength
    )
    for index, factor in zip(
        tf.unstack(order), tf.unstack(factors), strict=True
    ):
        branches = [functools.partial(c, image, factor) for c in changes]
        shape = image.shape
        image = tf.ensure_shape(tf.switch_case(index, branches), shape)
    return image
