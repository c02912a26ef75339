"""From stored images to the input of the networks."""

from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.data import bmp, orientation, pixel_limit

# It gives Pillow's pixels to the bit. TensorFlow's default is up to six levels
# off and takes as long.
DCT_METHOD = "INTEGER_ACCURATE"


# Traced once, for all pipelines.
@tf.function(
    input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)],
    autograph=False,
)
def decode(
    image: tf.Tensor, max_pixels: int | tf.Tensor = pixel_limit.PIXELS
) -> tf.Tensor:
    """Decodes JPEG, PNG, GIF or BMP bytes to uint8 [height, width, 3].

    The pixels are those of Pillow's `convert("RGB")`, except that 16 bits keep
    the upper 8 and that transparent pixels of a GIF are black. The image is
    upright: it is turned as its EXIF says.

    Args:
      image: Bytes of the file, string [].
      max_pixels: Largest number of pixels of the image, int64 [].

    Raises:
      InvalidArgumentError: The bytes are another format or are damaged, or
        the image is too large. See `pixel_limit`.
    """
    pixels = tf.case(
        [
            (
                tf.io.is_jpeg(image),
                lambda: tf.io.decode_jpeg(
                    pixel_limit.require(
                        image, tf.io.extract_jpeg_shape(image)[:2], max_pixels
                    ),
                    channels=3,
                    dct_method=DCT_METHOD,
                ),
            ),
            (bmp.is_bmp(image), lambda: bmp.decode(image, max_pixels)),
        ],
        lambda: tf.io.decode_image(
            pixel_limit.require(image, _png_or_gif_shape(image), max_pixels),
            channels=3,
            expand_animations=False,
        ),
    )
    return orientation.apply(pixels, orientation.read(image))


def stored_shape(image: tf.Tensor) -> tf.Tensor:
    """Height and width as the header names them, int64 [2].

    Of a file that is no JPEG, PNG, GIF or BMP it is any numbers, as nothing
    decodes it.

    Args:
      image: Bytes of the file, string [].

    Raises:
      InvalidArgumentError: A JPEG is damaged before its size.
    """
    return tf.case(
        [
            (
                tf.io.is_jpeg(image),
                lambda: tf.cast(tf.io.extract_jpeg_shape(image)[:2], tf.int64),
            ),
            (bmp.is_bmp(image), lambda: bmp.stored_shape(image)),
        ],
        lambda: _png_or_gif_shape(image),
    )


def _png_or_gif_shape(image: tf.Tensor) -> tf.Tensor:
    """See `stored_shape`."""
    head = tf.io.decode_raw(bmp.padded(image, 24), tf.uint8)
    head = tf.cast(tf.reshape(head, [24]), tf.int64)
    # Big-endian width and height after the first chunk's name.
    png = tf.reshape(head[16:], [2, 4]) @ [[2**24], [2**16], [2**8], [1]]
    # Little-endian width and height of the screen.
    gif = tf.reshape(head[6:10], [2, 2]) @ [[1], [2**8]]
    return tf.where(head[0] == 0x89, png, gif)[::-1, 0]


def to_rgb(
    image: tf.Tensor, size: tuple[int, int], crop: float | None = None
) -> tf.Tensor:
    """One image as the exported models take it.

    Args:
      image: Image of any size, uint8 [height, width, 1 or 3].
      size: Height and width of the result in pixels.
      crop: Share of the sides that is kept. It refers to the largest centred
        box with the proportions of the result. None: keep everything and
        change the proportions.

    Returns:
      Image float32 [*size, 3], RGB in [0, 1].
    """
    if crop is not None:
        pixels = _cropped(image, size, crop)
    else:
        pixels = tf.image.convert_image_dtype(image, tf.float32)
        if pixels.shape[:2] != size:
            pixels = resize(pixels, size)
    if pixels.shape[-1] == 1:
        pixels = tf.image.grayscale_to_rgb(pixels)
    return tf.ensure_shape(pixels, [*size, 3])


def _cropped(image: tf.Tensor, size: tuple[int, int], crop: float) -> tf.Tensor:
    """The centre of a resized image, float32 [*size, channels] in [0, 1].

    The rest is not resized, as a thin image would grow to gigabytes.

    Args:
      image: Image uint8 [height, width, channels].
      size: See `to_rgb`.
      crop: See `to_rgb`.
    """
    shape = tf.cast(tf.shape(image)[:2], tf.float64)
    whole = tf.round(shape * tf.reduce_max(size / shape) / crop)
    start = (whole - size) // 2  # Of the result in the whole resized image.
    scale = whole / shape
    # The kernel reaches two pixels to either side, of the image that is larger.
    reach = 2 * tf.maximum(1 / scale, 1) + 1
    first = tf.maximum(tf.floor(start / scale - reach), 0)
    last = tf.minimum(tf.math.ceil((start + size) / scale + reach), shape)
    top, left = tf.unstack(tf.cast(first, tf.int32))
    bottom, right = tf.unstack(tf.cast(last, tf.int32))
    # What `tf.image.resize` calls for an antialiased bicubic.
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None, top:bottom, left:right],
        size=size,
        scale=tf.cast(scale, tf.float32),
        translation=tf.cast(first * scale - start, tf.float32),
        kernel_type="keyscubic",
        antialias=True,
    )
    # Bicubic overshoots.
    return tf.clip_by_value(resized[0] / 255, 0.0, 1.0)


def resize(pixels: tf.Tensor, size: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Resizes as Pillow's BICUBIC does, antialiased.

    Args:
      pixels: Image [height, width, channels] or a batch of images, float32
        in [0, 1] or uint8.
      size: Height and width of the result in pixels.

    Returns:
      Image or batch of this size, float32 in [0, 1].
    """
    scale = 1.0
    if pixels.dtype == tf.uint8:
        scale = 255.0
    resized = tf.image.resize(pixels, size, method="bicubic", antialias=True)
    # Bicubic overshoots.
    return tf.clip_by_value(resized / scale, 0.0, 1.0)


def to_levels(pixels: tf.Tensor) -> tf.Tensor:
    """Pixels in [0, 1] as uint8, rounded."""
    return tf.cast(tf.round(pixels * 255), tf.uint8)


def normalize(
    images: tf.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tf.Tensor:
    """Scales pixels to zero mean and unit variance over the training images.

    Args:
      images: Images float32 [batch, height, width, 3] in [0, 1].
      mean: Mean of each channel.
      std: Standard deviation of each channel.
    """
    rows, mean, std = _rows(images, mean, std)
    return tf.reshape((rows - mean) / std, tf.shape(images))


def denormalize(
    images: tf.Tensor, mean: Sequence[float], std: Sequence[float]
) -> tf.Tensor:
    """The reverse of `normalize`.

    Args:
      images: Images float32 [..., height, width, 3] of any range.
      mean: Mean of each channel.
      std: Standard deviation of each channel.
    """
    rows, mean, std = _rows(images, mean, std)
    return tf.reshape(rows * std + mean, tf.shape(images))


def _rows(images: tf.Tensor, *channels: Sequence[float]) -> list[tf.Tensor]:
    """Flattens images to rows of width * 3, and repeats values to such rows.

    TensorFlow broadcasts over the three channels alone ten times as slowly.

    Args:
      images: Images [..., height, width, 3].
      *channels: Values of the three channels.
    """
    width = images.shape[-2] or tf.shape(images)[-2]
    rows = tf.reshape(images, [-1, width * 3])
    return [rows, *(tf.tile(each, [width]) for each in channels)]
