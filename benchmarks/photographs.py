"""JPEGs as large as ImageNet's, made from two real photographs."""

import contextlib
import dataclasses
import io
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn import datasets as sklearn_datasets

from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import datasets

_NAMES = ("china.jpg", "flower.jpg")
_SIZE = (500, 375)  # Width and height.
_QUALITY = 90


@dataclasses.dataclass(frozen=True)
class Photographs:
    """A data set of JPEG files, with the interface of `datasets.Dataset`.

    The labels are the numbers of the files and mean nothing.

    Attributes:
      source: ImageNet's labels and normalization.
      files: Path of each image's file.
      max_pixels: Largest number of pixels of an image that is decoded.
    """

    source: datasets.Source
    files: tuple[str, ...]
    max_pixels: int = pixel_limit.PIXELS

    def num_examples(self, split: datasets.Split) -> int:
        """Number of images, the same for every split."""
        del split
        return len(self.files)

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Explains nothing, as the files are sound."""
        return contextlib.nullcontext()

    def read(self, split: datasets.Split) -> tf.data.Dataset:
        """(encoded image string [], label int64 [])."""
        del split
        return tf.data.Dataset.from_tensor_slices(
            (list(self.files), tf.range(len(self.files), dtype=tf.int64))
        ).map(lambda file, label: (tf.io.read_file(file), label))


def make(folder: pathlib.Path, count: int, seed: int) -> Photographs:
    """Writes random crops of the photographs, resized, half of them mirrored.

    Args:
      folder: Existing folder to write the JPEGs to.
      count: Number of JPEGs.
      seed: Seed of the crops.
    """
    rng = np.random.default_rng(seed)
    photographs = [
        Image.fromarray(sklearn_datasets.load_sample_image(name))
        for name in _NAMES
    ]
    files = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        height = rng.uniform(0.6, 1) * photograph.height
        width = height * _SIZE[0] / _SIZE[1]
        left = rng.uniform(0, photograph.width - width)
        top = rng.uniform(0, photograph.height - height)
        box = (left, top, left + width, top + height)
        image = photograph.resize(_SIZE, Image.Resampling.BICUBIC, box)
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=_QUALITY)
        file = folder / f"{number}.jpg"
        file.write_bytes(data.getvalue())
        files.append(str(file))
    return Photographs(datasets.source("imagenet2012"), tuple(files))
