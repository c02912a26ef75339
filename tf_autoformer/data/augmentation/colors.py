"""Changes of the colours of one image, as Pillow makes them.

Everywhere `image` and the result are uint8 [height, width, 3], RGB. Results
are Pillow's to the bit. Functions with a factor are those of ImageEnhance,
where a factor of 1 changes nothing. The others are those of ImageOps.
"""

import tensorflow as tf

from tf_autoformer.data.augmentation import addons


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel from its least and greatest value to 0 and 255."""
    low = tf.cast(tf.reduce_min(image, axis=[0, 1]), tf.float64)  # [3]
    high = tf.cast(tf.reduce_max(image, axis=[0, 1]), tf.float64)
    # A channel of one value stays as it is: 0 maps to 0, 255 to 255.
    is_flat = high <= low
    low = tf.where(is_flat, tf.zeros_like(low), low)
    high = tf.where(is_flat, 255 * tf.ones_like(high), high)
    scale = 255 / (high - low)
    # In float64 as in Pillow, because the result is truncated to an integer.
    return tf.cast(tf.cast(image, tf.float64) * scale - low * scale, tf.uint8)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Spreads each channel's values until their histogram is about uniform."""
    return addons.image.equalize(image)


def invert(image: tf.Tensor) -> tf.Tensor:
    """Makes the negative."""
    return 255 - image


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps only the first bits of each value, 0 to 8 of them."""
    kept = 255 & tf.bitwise.left_shift(255, 8 - bits)
    return tf.bitwise.bitwise_and(image, tf.cast(kept, tf.uint8))


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts the values from `threshold` on, 0 to 256."""
    is_inverted = tf.cast(image, tf.int32) >= threshold
    # 255 - v has all bits of v flipped. tf.where takes three times as long.
    flipped = 255 * tf.cast(is_inverted, tf.uint8)
    return tf.bitwise.bitwise_xor(image, flipped)


def solarize_add(image: tf.Tensor, addend: tf.Tensor) -> tf.Tensor:
    """Adds `addend`, 0 to 127, to the values below 128."""
    is_dark = tf.cast(image < 128, tf.uint8)
    return image + tf.cast(addend, tf.uint8) * is_dark


def saturation(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Goes from grey (0) over the image to stronger colours: Pillow's Color."""
    pixels = tf.cast(image, tf.float32)
    return _blend(_grey(pixels)[:, :, None], pixels, factor)


def contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Goes from the mean grey (0) over the image to a stronger contrast."""
    pixels = tf.cast(image, tf.float32)
    # float64 holds the sum of any image exactly.
    mean = tf.reduce_mean(tf.cast(_grey(pixels), tf.float64))
    mean = tf.cast(tf.floor(mean + 0.5), tf.float32)
    return _blend(mean, pixels, factor)


def brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Goes from black (0) over the image to a brighter one."""
    return _blend(0.0, tf.cast(image, tf.float32), factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Goes from a smoothed image (0) over the image to a sharper one."""
    pixels = tf.cast(image, tf.float32)
    centre = pixels[1:-1, 1:-1]
    rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]  # Sums of 3×3 pixels.
    # The kernel is 5/13 in its centre and 1/13 elsewhere.
    smooth = tf.floor((total + 4 * centre) / 13 + 0.5)
    # The border stays as it is. Fewer than three pixels are all border.
    change = tf.pad(smooth - centre, [[1, 1], [1, 1], [0, 0]])
    height, width = tf.unstack(tf.shape(image)[:2])
    return _blend(pixels + change[:height, :width], pixels, factor)


def _grey(pixels: tf.Tensor) -> tf.Tensor:
    """Luminance in whole grey levels (ITU-R 601), as in Pillow's mode L.

    Args:
      pixels: Image float32 [height, width, 3] in [0, 255].

    Returns:
      Luminance float32 [height, width].
    """
    red, green, blue = tf.unstack(pixels, axis=-1)
    # 16-bit fixed point. All values are below 2²⁴, so that float32 is exact.
    luminance = 19595 * red + 38470 * green + 7471 * blue
    return tf.floor((luminance + 32768) / 65536)


def _blend(
    origin: tf.Tensor, pixels: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Goes from `origin` (0) through `pixels` (1), truncated to grey levels."""
    blended = origin + factor * (pixels - origin)
    return tf.cast(tf.clip_by_value(blended, 0, 255), tf.uint8)
