"""How an image is turned, as EXIF tells it in a JPEG or a PNG.

A damaged EXIF is none: its image is taken as it is stored.
"""

from collections.abc import Callable

import tensorflow as tf

# What each of EXIF's orientations does: whether rows and columns change places,
# and whether rows and columns are then reversed. There is no orientation 0.
_TURNS = (
    (False, False, False),
    (False, False, False),
    (False, False, True),
    (False, True, True),
    (False, True, False),
    (True, False, False),
    (True, False, True),
    (True, True, True),
    (True, True, False),
)

# Whatever has an EXIF matches, in a JPEG and in a PNG. \C is any byte.
_MARK = r"\C*(Exif\x00\x00|eXIf)\C*"
_TAG = 0x0112
_SHORT, _LONG = 3, 4  # Types of a field of 16 bits and of 32.

# No file takes long: so many parts of a file and bytes of EXIF are looked at.
_PARTS = 1_000
_LARGEST = 2**16
_END = 2**62  # A place beyond every file.


def read(image: tf.Tensor) -> tf.Tensor:
    """The orientation of an image, 1 to 8. 1 is upright.

    Args:
      image: Bytes of the file, string [].

    Returns:
      Orientation int32 [].
    """
    # Most files have no EXIF, which is told ten times as fast.
    has_any = tf.strings.regex_full_match(image, _MARK)
    return tf.cond(has_any, lambda: _search(image), lambda: tf.constant(1))


# Traced once, for all pipelines. Not inlined: TensorFlow would visit each of
# its operations for every image without EXIF.
@tf.function(
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _search(image: tf.Tensor) -> tf.Tensor:
    """The orientation of an image that has a mark of EXIF somewhere."""
    tiff = tf.case(
        [
            (tf.io.is_jpeg(image), lambda: _in_jpeg(image)),
            (
                tf.strings.substr(image, 0, 4) == b"\x89PNG",
                lambda: _in_png(image),
            ),
        ],
        lambda: tf.constant(""),
    )
    return tf.cond(tiff == "", lambda: tf.constant(1), lambda: _of_tiff(tiff))


def apply(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns stored pixels upright.

    Args:
      pixels: Stored pixels [height, width, channels].
      orientation: See `read`.

    Returns:
      The upright pixels.
    """

    def turned() -> tf.Tensor:
        turn = tf.gather(_TURNS, orientation)
        upright = tf.cond(
            turn[0], lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels
        )
        return tf.reverse(upright, tf.boolean_mask([0, 1], turn[1:]))

    return tf.cond(orientation == 1, lambda: pixels, turned)


def upright_shape(shape: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """The upright height and width of an image.

    Args:
      shape: Stored height and width, int32 [2].
      orientation: See `read`.
    """
    return tf.where(orientation >= 5, shape[::-1], shape)


def stored_box(
    box: tf.Tensor, shape: tf.Tensor, orientation: tf.Tensor
) -> tf.Tensor:
    """The place of a box of the upright image among the stored pixels.

    Args:
      box: Top, left, height and width in the upright image, int32 [4].
      shape: Stored height and width, int32 [2].
      orientation: See `read`.

    Returns:
      Top, left, height and width among the stored pixels, int32 [4].
    """

    def turned() -> tf.Tensor:
        turn = tf.gather(_TURNS, orientation)
        place, sides = box[:2], box[2:]
        opposite = upright_shape(shape, orientation) - place - sides
        place = tf.where(turn[1:], opposite, place)
        return tf.where(
            turn[0],
            tf.concat([place[::-1], sides[::-1]], axis=0),
            tf.concat([place, sides], axis=0),
        )

    return tf.cond(orientation == 1, lambda: box, turned)


def _in_jpeg(image: tf.Tensor) -> tf.Tensor:
    """The TIFF structure of a JPEG's EXIF. Empty if there is none."""

    def segment(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        marker, size = head[1], 256 * head[2] + head[3]
        is_exif = (marker == 0xE1) & tf.reduce_all(
            head[4:] == list(b"Exif\0\0")
        )
        # APP0 to APP15 and COM. Tables and pixels follow.
        is_segment = (marker // 16 == 0xE) | (marker == 0xFE)
        is_segment &= (head[0] == 0xFF) & (size >= 2)
        distance = tf.where(is_segment, 2 + size, _END)
        is_padding = marker == 0xFF
        distance = tf.where(is_padding, tf.ones_like(size), distance)
        return is_exif & is_segment, size - 8, distance

    return _find(image, 2, 10, segment)


def _in_png(image: tf.Tensor) -> tf.Tensor:
    """The TIFF structure of a PNG's chunk eXIf. Empty if there is none."""

    def chunk(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        size = tf.reduce_sum(head[:4] * [2**24, 2**16, 2**8, 1])
        is_exif = tf.reduce_all(head[4:8] == list(b"eXIf"))
        return is_exif, size, 12 + size

    return _find(image, 8, 8, chunk)


def _find(
    image: tf.Tensor,
    start: int,
    header: int,
    look: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]],
) -> tf.Tensor:
    """The content of the first part of a file that fits.

    Args:
      image: Bytes of the file, string [].
      start: Place of the first part.
      header: Bytes of a part before its content, 10 at most.
      look: Function of a part's first 10 bytes, int64 [10]. It returns whether
        the part fits, the size of its content, and the distance to the next
        part.

    Returns:
      Bytes of the content, string []. Empty if no part fits.
    """
    length = tf.cast(tf.strings.length(image), tf.int64)

    def step(at: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        head = tf.io.decode_raw(tf.strings.substr(image, at, 10), tf.uint8)
        fits, size, distance = look(tf.cast(tf.reshape(head, [10]), tf.int64))
        size = tf.where(
            fits, tf.clip_by_value(size, 0, _LARGEST), tf.zeros_like(size)
        )
        content = tf.strings.substr(image, at + header, size)
        return tf.where(fits, length, at + distance), content

    _, content = tf.while_loop(
        lambda at, _: at + 10 <= length,
        step,
        (tf.constant(start, tf.int64), tf.constant("")),
        maximum_iterations=_PARTS,
    )
    return content


def _of_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """The orientation that a TIFF structure names. 1 if it is damaged."""
    length = tf.strings.length(tiff)
    # The header has 8 bytes.
    data = tf.io.decode_raw(tf.strings.join([tiff, bytes(8)]), tf.uint8)
    data = tf.cast(data, tf.int64)
    is_little = tf.strings.substr(tiff, 0, 4) == b"II*\0"
    is_big = tf.strings.substr(tiff, 0, 4) == b"MM\0*"

    def number(at: tf.Tensor, size: int) -> tf.Tensor:
        """Numbers of so many bytes, int64, at these places."""
        powers = tf.constant([256**power for power in range(size)], tf.int64)
        powers = tf.where(is_little, powers, powers[::-1])
        each = tf.gather(data, tf.expand_dims(at, -1) + tf.range(size))
        return tf.reduce_sum(each * powers, axis=-1)

    directory = number(tf.constant(4), 4)
    is_there = (is_little | is_big) & (
        directory + 2 <= tf.cast(length, tf.int64)
    )
    directory = tf.cast(
        tf.where(is_there, directory, tf.zeros_like(directory)), tf.int32
    )
    count = tf.cast(number(directory, 2), tf.int32)
    count = tf.minimum(count, (length - directory - 2) // 12)
    count = tf.where(is_there, count, 0)
    fields = directory + 2 + 12 * tf.range(count)
    kinds = number(fields + 2, 2)
    is_long = kinds == _LONG  # Not as the standard says, but written.
    fits = (
        (number(fields, 2) == _TAG)
        & ((kinds == _SHORT) | is_long)
        & (number(fields + 4, 4) == 1)
    )
    values = tf.where(is_long, number(fields + 8, 4), number(fields + 8, 2))
    found = tf.boolean_mask(values, fits)
    orientation = tf.concat([tf.constant([1], tf.int64), found], axis=0)[-1]
    is_known = (orientation >= 1) & (orientation <= 8)
    return tf.cast(
        tf.where(is_known, orientation, tf.ones_like(orientation)), tf.int32
    )
