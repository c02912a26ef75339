"""A data set of encoded images that a test makes."""

import contextlib
import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import datasets


@dataclasses.dataclass
class Encoded:
    """A data set with the interface of `datasets.Dataset`.

    Every split has all images, and image i has label i.

    Attributes:
      source: The digits' source with the test's changes.
      images: Encoded images.
      max_pixels: Largest number of pixels of an image.
    """

    source: datasets.Source
    images: Sequence[bytes]
    max_pixels: int = pixel_limit.PIXELS

    def reading(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def num_examples(self, split: datasets.Split) -> int:
        del split
        return len(self.images)

    def read(self, split: datasets.Split) -> tf.data.Dataset:
        del split
        return tf.data.Dataset.from_tensor_slices(
            (self.images, tf.range(len(self.images), dtype=tf.int64))
        )


def dataset(images: Sequence[bytes], **changes) -> Encoded:
    """A data set of encoded images.

    Args:
      images: Encoded images, in the order of their labels.
      **changes: Fields of the source that differ from the digits' source.
    """
    source = dataclasses.replace(
        datasets.source("digits"),
        labels=tuple(map(str, range(len(images)))),
        **changes,
    )
    return Encoded(source, images)
