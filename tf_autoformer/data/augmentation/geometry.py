"""Rotation, shear and shift of one image.

Everywhere `image` and the result are uint8 [height, width, 3]. `fill`, uint8
[3], is the colour of pixels that come in from outside. Results are Pillow's
bilinear ones, borders included. A grey level may differ by 1, because
coordinates are float32 here and float64 there.
"""

import math

import tensorflow as tf

from tf_autoformer.data.augmentation import addons


def rotate(image: tf.Tensor, degrees: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Turns the image counterclockwise around its centre."""
    angle = degrees * (math.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    height, width = _size(image)
    x, y = width / 2, height / 2
    row_x = (cosine, -sine, x - cosine * x + sine * y)
    row_y = (sine, cosine, y - sine * x - cosine * y)
    return _affine(image, row_x, row_y, fill)


def shear_x(image: tf.Tensor, factor: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Shifts each row to the left by `factor` times its distance to the top."""
    return _affine(image, (1.0, factor, 0.0), (0.0, 1.0, 0.0), fill)


def shear_y(image: tf.Tensor, factor: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Shifts each column up by `factor` times its distance to the left."""
    return _affine(image, (1.0, 0.0, 0.0), (factor, 1.0, 0.0), fill)


def translate_x(
    image: tf.Tensor, share: tf.Tensor, fill: tf.Tensor
) -> tf.Tensor:
    """Shifts the image to the left by this share of its width."""
    return _shift(image, share, fill, axis=1)


def translate_y(
    image: tf.Tensor, share: tf.Tensor, fill: tf.Tensor
) -> tf.Tensor:
    """Shifts the image up by this share of its height."""
    return _shift(image, share, fill, axis=0)


def _shift(
    image: tf.Tensor, share: tf.Tensor, fill: tf.Tensor, axis: int
) -> tf.Tensor:
    """Shifts the image by a share of its side towards the start of `axis`.

    `_affine` would give the same pixels in several times as long.
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    size = tf.shape(image)[axis]
    side = tf.cast(size, tf.float32)
    shift = share * side
    whole = tf.floor(shift)
    # Output pixel x reads at x + shift, which is inside from -0.5 to
    # side - 0.5. Pixels `begin` to `end` of the output do.
    begin, end, start = (
        tf.cast(number, tf.int32)
        for number in (
            tf.clip_by_value(tf.math.ceil(-0.5 - shift), 0, side),
            tf.clip_by_value(tf.math.ceil(side - 0.5 - shift), 0, side),
            whole,
        )
    )

    def cut(pixels: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        return pixels[first:last] if axis == 0 else pixels[:, first:last]

    # As in Pillow, a border pixel is not blended with pixels outside.
    ends = (cut(image, 0, 1), image, cut(image, size - 1, size))
    padded = tf.concat(ends, axis)
    start += 1  # The first border comes before the image.
    near, far = (
        tf.cast(cut(padded, begin + at, end + at), tf.float32)
        for at in (start, start + 1)
    )
    moved = tf.cast(near + (shift - whole) * (far - near), tf.uint8)
    outside = tf.broadcast_to(tf.cast(fill, tf.uint8), tf.shape(image))
    return tf.ensure_shape(
        tf.concat(
            [cut(outside, 0, begin), moved, cut(outside, end, size)], axis
        ),
        image.shape,
    )


def _size(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width as float32."""
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    return height, width


def _affine(
    image: tf.Tensor, row_x: tuple, row_y: tuple, fill: tf.Tensor
) -> tf.Tensor:
    """Moves pixels: output (x, y) reads input (a x + b y + c, d x + e y + f).

    Coordinates are Pillow's: (0, 0) is the corner of the first pixel, and its
    centre is at (0.5, 0.5).

    Args:
      image: Image uint8 [height, width, 3].
      row_x: Coefficients a, b and c.
      row_y: Coefficients d, e and f.
      fill: Colour of pixels from outside, uint8 [3].
    """
    # In tensorflow-addons (0, 0) is the centre of the first pixel.
    a, b, c = row_x
    c += (a + b - 1) / 2
    d, e, f = row_y
    f += (d + e - 1) / 2
    moved = addons.image.transform(
        image,
        tf.stack([a, b, c, d, e, f, 0.0, 0.0]),
        interpolation="bilinear",
        # As in Pillow, a border pixel is not blended with pixels outside.
        fill_mode="nearest",
    )
    height, width = _size(image)
    x = tf.range(width)  # [width]
    y = tf.range(height)[:, None]  # [height, 1]
    read_x, read_y = a * x + b * y + c, d * x + e * y + f  # [height, width]
    inside = (
        (read_x >= -0.5)
        & (read_x < width - 0.5)
        & (read_y >= -0.5)
        & (read_y < height - 0.5)
    )
    # Products of bytes, because tf.where takes several times as long.
    inside = tf.cast(inside, tf.uint8)[:, :, None]
    return moved * inside + fill * (1 - inside)
