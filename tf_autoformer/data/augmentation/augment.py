"""The augmentation of one training image after its crop."""

import tensorflow as tf

from tf_autoformer.data.augmentation import (
    augmentation_config,
    color_jitter,
    erasing,
    randaugment,
)
from tf_autoformer.data.sources import datasets


def augment(
    image: tf.Tensor,
    recipe: augmentation_config.AugmentationConfig,
    source: datasets.Source,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Flips an image, changes its colours and erases a box, as DeiT does.

    Args:
      image: Image uint8 [height, width, 3].
      recipe: Recipe of augmentation.
      source: Data set of the image. Its mean fills areas that come in from
        outside, and its mean and deviation are those of the noise.
      seed: Seed int32 [2]. The same seed gives the same result, and a change
        does not depend on whether the recipe has the others.

    Returns:
      Image float32 [height, width, 3], in [0, 1] except for the noise of the
      erased box.
    """
    flip_seed, color_seed, erasing_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    if recipe.flip:
        image = flip(image, flip_seed)
    if recipe.randaugment:
        image = randaugment.apply(
            image,
            color_seed,
            recipe.randaugment,
            recipe.randaugment_magnitude,
            recipe.randaugment_stddev,
            source.mean,
        )
    elif recipe.color_jitter:
        image = color_jitter.apply(image, color_seed, recipe.color_jitter)
    image = tf.image.convert_image_dtype(image, tf.float32)
    if recipe.random_erasing:
        image = erasing.erase(
            image, recipe.random_erasing, source.mean, source.std, erasing_seed
        )
    return image


def flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors an image with probability one half.

    Args:
      image: Image [height, width, channels] of any type.
      seed: Seed int32 [2]. The same seed gives the same result.
    """
    drawn = tf.random.stateless_uniform([], seed) < 0.5
    return tf.cond(drawn, lambda: tf.reverse(image, [1]), lambda: image)
