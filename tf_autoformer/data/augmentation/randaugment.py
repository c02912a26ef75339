"""RandAugment: random operations on one training image.

Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced
search space", 2020. Operations and levels are those of timm 0.3.2's
`rand-m9-mstd0.5-inc1`, with which DeiT and AutoFormer were trained. Operations
that move an image are bicubic there and bilinear here.
"""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_autoformer.data.augmentation import colors, geometry

# (image uint8 [height, width, 3], level in [0, 10], sign −1 or 1,
# fill uint8 [3]) -> image of the same shape and type.
Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

_MAX_LEVEL = 10.0


def _fixed(function: Callable) -> Operation:
    """Makes an operation without strength."""
    return lambda image, level, sign, fill: function(image)


def _color(function: Callable, argument: Callable) -> Operation:
    return lambda image, level, sign, fill: function(
        image, argument(level, sign)
    )


def _move(function: Callable, limit: float) -> Operation:
    """Makes an operation that moves by up to `limit` to either side."""
    return lambda image, level, sign, fill: function(
        image, sign * (level / _MAX_LEVEL * limit), fill
    )


def _whole(level: tf.Tensor, limit: int) -> tf.Tensor:
    return tf.cast(level / _MAX_LEVEL * limit, tf.int32)


def _bits(level: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return 4 - _whole(level, 4)


def _threshold(level: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return 256 - _whole(level, 256)


def _addend(level: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return _whole(level, 110)


def _factor(level: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    return 1 + sign * (level / _MAX_LEVEL * 0.9)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": _fixed(colors.autocontrast),
    "Equalize": _fixed(colors.equalize),
    "Invert": _fixed(colors.invert),
    "Rotate": _move(geometry.rotate, 30.0),
    "Posterize": _color(colors.posterize, _bits),
    "Solarize": _color(colors.solarize, _threshold),
    "SolarizeAdd": _color(colors.solarize_add, _addend),
    "Color": _color(colors.saturation, _factor),
    "Contrast": _color(colors.contrast, _factor),
    "Brightness": _color(colors.brightness, _factor),
    "Sharpness": _color(colors.sharpness, _factor),
    "ShearX": _move(geometry.shear_x, 0.3),
    "ShearY": _move(geometry.shear_y, 0.3),
    "TranslateXRel": _move(geometry.translate_x, 0.45),
    "TranslateYRel": _move(geometry.translate_y, 0.45),
}


def apply(
    image: tf.Tensor,
    seed: tf.Tensor,
    count: int,
    magnitude: float,
    stddev: float,
    fill: Sequence[float],
) -> tf.Tensor:
    """Applies operations drawn uniformly, with replacement.

    Each operation is applied with probability one half. Its level is drawn
    from a normal distribution that is clipped to [0, 10]. If it can go to
    either side, the side is random.

    Args:
      image: Image uint8 [height, width, 3], RGB.
      seed: Seed int32 [2]. The same seed gives the same result.
      count: Number of operations to draw.
      magnitude: Mean of the levels.
      stddev: Standard deviation of the levels.
      fill: RGB in [0, 1] of pixels that come in from outside.

    Returns:
      Image uint8 [height, width, 3].
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    draw = tf.random.stateless_uniform
    choices = draw([count], seeds[0], 0, len(OPERATIONS), tf.int32)
    is_applied = draw([count], seeds[1]) < 0.5
    choices = tf.where(is_applied, choices, len(OPERATIONS))
    levels = tf.random.stateless_normal([count], seeds[2], magnitude, stddev)
    levels = tf.clip_by_value(levels, 0, _MAX_LEVEL)
    signs = tf.where(draw([count], seeds[3]) < 0.5, -1.0, 1.0)
    fill = tf.saturate_cast(tf.round(255 * tf.constant(fill)), tf.uint8)
    for choice, level, sign in zip(
        *map(tf.unstack, (choices, levels, signs)), strict=True
    ):
        branches = [
            functools.partial(operation, image, level, sign, fill)
            for operation in OPERATIONS.values()
        ]
        branches.append(functools.partial(tf.identity, image))
        shape = image.shape
        image = tf.ensure_shape(tf.switch_case(choice, branches), shape)
    return image
