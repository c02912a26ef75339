"""Random erasing."""

from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.data import preprocessing
from tf_autoformer.data.augmentation import random_boxes

_AREA = (0.02, 1 / 3)
_ASPECT = (0.3, 1 / 0.3)


def erase(
    image: tf.Tensor,
    probability: float,
    mean: Sequence[float],
    std: Sequence[float],
    seed: tf.Tensor,
) -> tf.Tensor:
    """Replaces a random box by noise, as timm's mode "pixel" does.

    The noise is standard normal after normalization. An image stays as it is
    if none of ten drawn boxes fits.

    Args:
      image: Image float32 [height, width, 3] in [0, 1].
      probability: Probability of a box.
      mean: Mean of each channel of the training images.
      std: Standard deviation of each channel of the training images.
      seed: Seed int32 [2].

    Returns:
      Image float32 [height, width, 3]. Its noise goes beyond [0, 1].
    """
    height, width = image.shape[:2]
    whether_seed, box_seed, noise_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )
    shape = tf.constant([height, width])
    found, box = random_boxes.draw(shape, shape - 1, _AREA, _ASPECT, box_seed)
    drawn = tf.random.stateless_uniform([], whether_seed) < probability

    def erased() -> tf.Tensor:
        top, left, rows, columns = tf.unstack(box)
        noise = tf.random.stateless_normal([rows, columns, 3], noise_seed)
        noise = preprocessing.denormalize(noise, mean, std)
        beside = image[top : top + rows]
        band = [beside[:, :left], noise, beside[:, left + columns :]]
        parts = [image[:top], tf.concat(band, axis=1), image[top + rows :]]
        return tf.ensure_shape(tf.concat(parts, axis=0), image.shape)

    return tf.cond(drawn & found, erased, lambda: image)
