"""Small data sets in place of those of tensorflow-datasets."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds


def number_of(encoded: bytes) -> int:
    """The number of an encoded image in its split."""
    high, low, _ = tf.io.decode_png(encoded).numpy()[0, 0]
    return int(high) * 256 + int(low)


class FakeImages(tfds.core.GeneratorBasedBuilder):
    """Images of one pixel, whose colour is their number.

    Attributes:
      labels: Split -> label of each image. Set by the test.
      in_order: Whether the images are stored in the order of their numbers.
      shape: Shape of the images that the data set declares.
      dtype: Type of the pixels.
    """

    VERSION = tfds.core.Version("1.0.0")
    labels: Mapping[str, Sequence[int]] = {}
    in_order = False
    shape = (None, None, 3)
    dtype = np.uint8

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(
                        shape=self.shape, dtype=self.dtype
                    ),
                    "label": tfds.features.ClassLabel(
                        names=["cat", "dog", "owl"]
                    ),
                }
            ),
            disable_shuffling=self.in_order,
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(labels)
            for split, labels in self.labels.items()
        }

    def _generate_examples(self, labels: Sequence[int]):
        for number, label in enumerate(labels):
            pixel = np.uint8([[[number // 256, number % 256, 0]]])
            yield (
                number,
                {"id": str(number), "image": pixel, "label": int(label)},
            )
