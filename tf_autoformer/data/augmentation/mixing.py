"""Mixup and CutMix of neighbours in a batch."""

import tensorflow as tf

from tf_autoformer.data.augmentation import augmentation_config


def mix(
    images: tf.Tensor,
    targets: tf.Tensor,
    recipe: augmentation_config.AugmentationConfig,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes rows 0 and 1, 2 and 3, …, each into the other.

    One draw decides for the whole batch, as in timm's mode "batch". Partners
    are neighbours here, so that an even part of a batch is mixed as it is in
    the whole batch.

    Args:
      images: Images float32 [batch, height, width, channels]. The batch is
        even.
      targets: Targets float32 [batch, classes].
      recipe: Recipe with mixup or CutMix.
      seed: Seed int32 [2].

    Returns:
      Images and targets of the same shapes.
    """
    weights = _weights(images.shape[1:3], recipe, seed)
    # Flat, because TensorFlow broadcasts over channels ten times as slowly.
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
    """The row's own share of each pixel, float32 [height, width]."""
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
      size: Height and width of the image in pixels.
      area: Share of the image's area. A part outside the image is cut off.
      seed: Seed int32 [2].

    Returns:
      Pixels inside the box, bool [height, width].
    """
    places = tf.unstack(tf.random.stateless_uniform([2], seed))
    lines = []
    for side, place in zip(size, places, strict=True):
        centre = tf.floor(place * side)
        # Whole pixels as in timm: half of the side, rounded down.
        half = tf.floor(tf.floor(side * tf.sqrt(area)) / 2)
        pixel = tf.range(side, dtype=tf.float32)
        lines.append((pixel >= centre - half) & (pixel < centre + half))
    rows, columns = lines
    return rows[:, None] & columns  # [height, width]


def _partners(rows: tf.Tensor) -> tf.Tensor:
    """Each row's partner: the row at its number with the last bit flipped."""
    numbers = tf.range(tf.shape(rows)[0])
    return tf.gather(rows, tf.bitwise.bitwise_xor(numbers, 1))


def _beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """A draw from Beta(alpha, alpha), float32 []."""
    gamma_seed, power_seed = tf.unstack(
        tf.random.experimental.stateless_split(seed, 2)
    )
    # Gamma(a) is Gamma(a + 1) times U^(1 / a). In logarithms, because with a
    # small alpha both draws would be 0.
    draws = tf.random.stateless_gamma([2], gamma_seed, alpha + 1.0)
    powers = tf.random.stateless_uniform([2], power_seed, 1e-30, 1)
    first, second = tf.unstack(tf.math.log(draws) + tf.math.log(powers) / alpha)
    return tf.sigmoid(first - second)
