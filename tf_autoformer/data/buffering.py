"""How many images are held in memory."""

import tensorflow as tf

# Bytes of images that a pipeline holds, encoded or decoded: a data set that is
# no larger is read once, and of a larger one so much is shuffled at a time.
LIMIT = 2**31
# Images whose mean size is taken for that of all.
_SAMPLE = 256


def fits(count: int, image_size: tuple[int, int], dtype: tf.DType) -> bool:
    """Whether so many images of three channels are held."""
    height, width = image_size
    return count * height * width * 3 * dtype.size <= LIMIT


def hold_encoded(
    examples: tf.data.Dataset, count: int
) -> tuple[tf.data.Dataset, int]:
    """Holds encoded images, if all of them fit.

    Args:
      examples: (encoded image string [], label), `count` of them.
      count: how many.

    Returns:
      The examples, read once if they fit; and how many of them fit.
    """
    lengths = examples.map(lambda image, _: tf.strings.length(image))
    sample = list(lengths.take(_SAMPLE).as_numpy_iterator())
    held = int(max(1, LIMIT * len(sample) // sum(map(int, sample))))
    return (examples.cache(), count) if count <= held else (examples, held)
