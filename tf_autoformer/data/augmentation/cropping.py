"""Random crops. Only the box is decoded."""

import tensorflow as tf

from tf_autoformer.data import orientation, pixel_limit, preprocessing
from tf_autoformer.data.augmentation import random_boxes

_ASPECT = (3 / 4, 4 / 3)


def decode(
    image: tf.Tensor,
    area: float,
    seed: tf.Tensor,
    max_pixels: int = pixel_limit.PIXELS,
) -> tf.Tensor:
    """Decodes a random box of an image. The rest of a JPEG is not decoded.

    The image is upright. See `preprocessing.decode`.

    Args:
      image: Bytes of the image, string [].
      area: Smallest share of the image's area.
      seed: Seed int32 [2].
      max_pixels: Largest number of pixels of the image.

    Returns:
      Pixels of the box, uint8 [height, width, 3].
    """

    def of_jpeg() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(image)[:2]
        turned = orientation.read(image)
        box = random_box(orientation.upright_shape(shape, turned), area, seed)
        pixels = tf.io.decode_and_crop_jpeg(
            pixel_limit.require(image, shape, max_pixels),
            orientation.stored_box(box, shape, turned),
            channels=3,
            dct_method=preprocessing.DCT_METHOD,
        )
        return orientation.apply(pixels, turned)

    def of_other() -> tf.Tensor:
        pixels = preprocessing.decode(image, max_pixels)
        box = random_box(tf.shape(pixels)[:2], area, seed)
        top, left, height, width = tf.unstack(box)
        return pixels[top : top + height, left : left + width]

    return tf.cond(tf.io.is_jpeg(image), of_jpeg, of_other)


def random_box(shape: tf.Tensor, area: float, seed: tf.Tensor) -> tf.Tensor:
    """The box of a random resized crop, as torchvision draws it.

    If none of ten draws fits, it is the largest centred box whose width over
    height is between 3/4 and 4/3.

    Args:
      shape: Height and width of the image, int32 [2].
      area: Smallest share of the image's area. The largest is 1.
      seed: Seed int32 [2].

    Returns:
      Top, left, height and width of the box, int32 [4].
    """
    found, box = random_boxes.draw(shape, shape, (area, 1), _ASPECT, seed)
    narrow, wide = _ASPECT
    height, width = tf.unstack(tf.cast(shape, tf.float64))
    sides = tf.stack([width / narrow, height * wide])
    sides = tf.minimum(tf.cast(tf.round(sides), tf.int32), shape)
    centred = tf.concat([(shape - sides) // 2, sides], axis=0)
    return tf.where(found, box, centred)
