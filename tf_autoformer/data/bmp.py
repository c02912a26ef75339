"""BMP files, those with a palette included.

TensorFlow has no palettes: it takes an 8-bit file's colour numbers for grey
values. It also overlooks compression and the order of the colours.
"""

import tensorflow as tf

from tf_autoformer.data import pixel_limit

_HEADER = 66  # Bytes up to the masks that tell the order of the colours.
_PALETTE = 256  # Colours. Four bytes each.
_BGR = (0xFF0000, 0xFF00, 0xFF)  # Masks of red, green and blue.


def is_bmp(image: tf.Tensor) -> tf.Tensor:
    """Whether bytes, string [], begin as a BMP does."""
    return tf.strings.substr(image, 0, 2) == "BM"


def stored_shape(image: tf.Tensor) -> tf.Tensor:
    """Height and width as the header of a BMP names them, int64 [2]."""
    sides = tf.strings.substr(padded(image, 26), 18, 8)
    width, height = tf.unstack(tf.io.decode_raw(sides, tf.int32), num=2)
    return tf.abs(tf.cast(tf.stack([height, width]), tf.int64))


def decode(image: tf.Tensor, max_pixels: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP of 1, 4, 8, 24 or 32 bits without compression.

    Args:
      image: Bytes of the file, string [].
      max_pixels: Largest number of pixels of the image, int64 [].

    Returns:
      Pixels uint8 [height, width, 3].

    Raises:
      InvalidArgumentError: The file is another BMP, is damaged or is too large.
    """
    head = padded(tf.strings.substr(image, 0, _HEADER), _HEADER)
    # 32-bit integers from byte 10 on.
    offset, size, width, height, planes_and_bits, compression = tf.unstack(
        tf.cast(
            tf.io.decode_raw(tf.strings.substr(head, 10, 24), tf.int32),
            tf.int64,
        ),
        num=6,
    )
    bits = planes_and_bits // 2**16
    masks = tf.io.decode_raw(tf.strings.substr(head, 54, 12), tf.int32)
    # Compression 3 names the bits of each colour.
    is_plain = (compression == 0) | (
        (compression == 3) & (bits == 32) & tf.reduce_all(masks == _BGR)
    )
    is_plain &= (size >= 40) & tf.reduce_any(bits == [1, 4, 8, 24, 32])
    stride = tf.maximum((width * bits + 31) // 32 * 4, 1)
    rows = tf.abs(height)
    length = tf.cast(tf.strings.length(image), tf.int64)
    is_whole = (width > 0) & (rows > 0) & (offset >= 14 + size)
    is_whole &= rows <= (length - offset) // stride
    require = tf.debugging.Assert(
        is_plain & is_whole,
        [
            "BMP must be whole and have 1, 4, 8, 24 or 32 bits a pixel, no "
            "compression and a header of 40 bytes or more; bits, compression, "
            "header:",
            *(bits, compression, size),
        ],
    )
    # Eager mode has raised by now, and has no operation to wait for.
    with tf.control_dependencies([] if require is None else [require]):
        shape = tf.stack([rows, width])
        image = pixel_limit.require(image, shape, max_pixels)
        bits = tf.identity(bits)  # Else their operations may fail first.

    def look_up() -> tf.Tensor:
        start = 14 + size
        palette = tf.strings.substr(image, start, offset - start)
        palette = tf.io.decode_raw(padded(palette, 4 * _PALETTE), tf.uint8)
        palette = tf.reshape(palette, [_PALETTE, 4])[:, 2::-1]  # BGR to RGB.
        packed = tf.strings.substr(image, offset, stride * rows)
        packed = tf.io.decode_raw(packed, tf.uint8)
        packed = tf.reshape(packed, [rows, stride])
        numbers = _unpacked(packed, tf.cast(bits, tf.int32))[:, :width]
        # The lowest row is first, unless the height is negative.
        numbers = tf.cond(
            height > 0, lambda: tf.reverse(numbers, [0]), lambda: numbers
        )
        return tf.gather(palette, tf.cast(numbers, tf.int32))

    return tf.cond(
        bits <= 8,
        look_up,
        lambda: tf.io.decode_image(image, channels=3, expand_animations=False),
    )


def _unpacked(packed: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Numbers of 1, 4 or 8 bits. The first of a byte is in its highest bits.

    Args:
      packed: Bytes uint8 [rows, bytes].
      bits: Bits of a number, int32 [].

    Returns:
      Numbers uint8 [rows, bytes * 8 / bits].
    """
    shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
    mask = tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint8)
    numbers = tf.bitwise.right_shift(packed[..., None], shifts) & mask
    return tf.reshape(numbers, [tf.shape(packed)[0], -1])


def padded(text: tf.Tensor, size: int) -> tf.Tensor:
    """Bytes, string [], with zeros up to a size."""
    return tf.strings.substr(tf.strings.join([text, bytes(size)]), 0, size)
