"""Images that TensorFlow cannot decode but Pillow can, as PNG."""

import io
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from tf_autoformer.data import pixel_limit

_FORMATS = ("WEBP", "TIFF", "BMP")
_HEADERS = (*_FORMATS, "JPEG", "PNG", "GIF")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB")


def decode(content: bytes, max_pixels: int) -> Image.Image:
    """An image of a format that TensorFlow does not know, upright, in RGB.

    Args:
      content: WebP, TIFF, or a BMP of any kind. Of several images in a file
        the first counts.
      max_pixels: Largest number of pixels of the image.

    Raises:
      ValueError: It is no such image, is damaged or too large, or has more
        than 8 bits in a channel.
    """
    # Pillow's own limit is a variable of the process. None: no limit.
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
        if not pixel_limit.holds(image.height, image.width, max_pixels):
            raise ValueError("the image is too large")
        if image.mode not in _MODES:
            raise ValueError(f"the image has pixels of the kind {image.mode}")
        return ImageOps.exif_transpose(image).convert("RGB")
    # Pillow's decoders raise whatever a damaged file makes them raise.
    except Exception as error:
        raise ValueError(str(error)) from error


def _to_png(content: bytes, max_pixels: int) -> bytes:
    """The same as a PNG, which TensorFlow decodes."""
    encoded = io.BytesIO()
    decode(content, max_pixels).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def is_large(content: bytes, max_pixels: int) -> bool:
    """Whether the header names a size beyond the limit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_HEADERS)
    except Image.DecompressionBombError:
        return True
    except Exception:  # As above.
        return False
    return not pixel_limit.holds(image.height, image.width, max_pixels)


def converted(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Such an image as a PNG, in a graph, string [] to string []."""
    result = tf.numpy_function(
        lambda each: np.array(_to_png(each, max_pixels), object),
        [content],
        tf.string,
    )
    return tf.ensure_shape(result, [])
