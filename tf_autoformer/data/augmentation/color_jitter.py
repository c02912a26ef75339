"""Random brightness, contrast and saturation of one image."""

import functools

import tensorflow as tf

from tf_autoformer.data.augmentation import colors


def apply(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation, in random order.

    Each change has a factor of its own, uniform in [max(0, 1 − strength), 1 +
    strength]. This is torchvision's ColorJitter without a change of the hue.

    Args:
      image: Image uint8 [height, width, 3], RGB.
      seed: Seed int32 [2]. The same seed gives the same result.
      strength: Largest change of a factor. 0: no change.

    Returns:
      Image uint8 [height, width, 3].
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
