"""Mixup and CutMix of a batch's neighbours."""

import tensorflow as tf

from tf_autoformer.data.augmentation import augmentation_config


def mix(
    images: tf.Tensor,
    targets: tf.Tensor,
    recipe: augmentation_config.AugmentationConfig,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes rows 0 and 1, 2 and 3, ...: the former into the latter and back.

    As timm's mode "batch", all of a batch by one draw; but partners are
    neighbours, so that any even share of a batch is mixed as in the whole.

    Args:
      images: float32 [batch, height, width, channels], the batch even.
      targets: float32 [batch, classes].
      recipe: see `AugmentationConfig`; one that mixes.
      seed: int32 [2].

    Returns:
      Images and targets of the same shapes.
    """
    weights = _weights(images.shape[1:3], recipe, seed)
    # Flat: TensorFlow is ten times as slow at broadcasting over channels.
    flat = tf.reshape(images, [-1, images.shape[1:].num_elements()])
    own = tf.repeat(tf.reshape(weights, [-1]), images.shape[-1])
    mixed = flat * own + _partners(flat) * (1 - own)
    share = tf.reduce_mean(weights)
    return (
        tf.reshape(mixed, tf.shape(images)),
        targets * share + _partners(targets) * (1 - share),
    )


def _weights(
    size: tuple[int, int],
    recipe: augmentation_config.AugmentationConfig,
    seed: tf.Tensor,
) -> tf.Tensor:
    """How much of each pixel is the row's own, float32 [height, width]."""
    switch_seed, share_seed, box_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3)
    )

    def mixup() -> tf.Tensor:
        return tf.fill(size, _beta(recipe.mixup, share_seed))

    def cutmix() -> tf.Tensor:
        area = 1 - _beta(recipe.cutmix, share_seed)
        return 1 - tf.cast(box_mask(size, area, box_seed), tf.float32)

    if recipe.mixup and recipe.cutmix:
        drawn = tf.random.stateless_uniform([], switch_seed)
        return tf.cond(drawn < recipe.cutmix_switch, cutmix, mixup)
    return mixup() if recipe.mixup else cutmix()


def box_mask(
    size: tuple[int, int], area: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """A box of the image's proportions around a random pixel.

    Args:
      size: height and width of the image in pixels.
      area: share of the image's area, before what lies outside is cut off.
      seed: int32 [2].

    Returns:
      bool [height, width]: what is inside.
    """
    places = tf.unstack(tf.random.stateless_uniform([2], seed))
    lines = []
    for side, place in zip(size, places, strict=True):
        centre = tf.floor(place * side)
        # Whole pixels as timm has them: half of the side, rounded down.
        half = tf.floor(tf.floor(side * tf.sqrt(area)) / 2)
        pixel = tf.range(side, dtype=tf.float32)
        lines.append((pixel >= centre - half) & (pixel < centre + half))
    rows, columns = lines
    return rows[:, None] & columns  # [height, width]


def _partners(rows: tf.Tensor) -> tf.Tensor:
    """Each row's partner: its number with the last bit flipped."""
    numbers = tf.range(tf.shape(rows)[0])
    return tf.gather(rows, tf.bitwise.bitwise_xor(numbers, 1))


def _beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """A draw of Beta(alpha, alpha), float32 []."""
    gamma_seed, power_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    # Gamma(a) is Gamma(a + 1) times U^(1 / a); in logarithms, as of a small
    # alpha both draws would be 0.
    draws = tf.random.stateless_gamma([2], gamma_seed, alpha + 1.0)
    powers = tf.random.stateless_uniform([2], power_seed, 1e-30, 1)
    first, second = tf.unstack(tf.math.log(draws) + tf.math.log(powers) / alpha)
    return tf.sigmoid(first - second)
