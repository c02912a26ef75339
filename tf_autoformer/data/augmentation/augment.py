"""What one training image goes through once it is cropped."""

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
      image: uint8 [height, width, 3].
      recipe: which of this, and how much.
      source: where the image is from, for the values of what has none.
      seed: int32 [2]; the same seed gives the same result, and each change is
        the same whether or not the recipe has the others.

    Returns:
      float32 of the same shape, in [0, 1] but for the noise of the box.
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
    """Mirrors an image [height, width, channels] with probability one half.

    Args:
      image: of any type.
      seed: int32 [2]; the same seed gives the same result.
    """
    drawn = tf.random.stateless_uniform([], seed) < 0.5
    return tf.cond(drawn, lambda: tf.reverse(image, [1]), lambda: image)
