"""The number of images that are held in memory."""

import tensorflow as tf

# Bytes of images that a pipeline holds, encoded or decoded. A data set that is
# no larger is read once. A larger one is shuffled in parts of this size.
LIMIT = 2**31
# Number of images whose mean size stands for that of all.
_SAMPLE = 256


def fits(count: int, image_size: tuple[int, int], dtype: tf.DType) -> bool:
    """Whether this number of images with three channels can be held."""
    height, width = image_size
    return count * height * width * 3 * dtype.size <= LIMIT


def hold_encoded(
    examples: tf.data.Dataset, count: int
) -> tuple[tf.data.Dataset, int]:
    """Holds encoded images, if all of them fit.

    Args:
      examples: Pairs (encoded image string [], label).
      count: Number of examples.

    Returns:
      The examples, read once if all fit, and the number of them that fits.
    """
    lengths = examples.map(lambda image, _: tf.strings.length(image))
    sample = list(lengths.take(_SAMPLE).as_numpy_iterator())
    held = int(max(1, LIMIT * len(sample) // sum(map(int, sample))))
    return (examples.cache(), count) if count <= held else (examples, held)
