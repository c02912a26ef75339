"""Folders of images, as tests make and read them."""

import collections
import io
import pathlib

import numpy as np
from absl.testing import parameterized
from PIL import Image

from tf_autoformer import errors
from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import datasets, names

CLASSES = ("cat", "dog", "owl")


def pixels(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    """A smooth picture, of which JPEG keeps nearly all."""
    colors = np.random.default_rng(seed).integers(0, 256, [2, 3, 3])
    return np.array(
        Image.fromarray(np.uint8(colors)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    )


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


class FolderTest(parameterized.TestCase):
    """A test of a folder of images.

    Attributes:
      root: Path of the folder, which does not exist yet.
      data_dir: Folder of prepared data sets.
      name: Name of the folder as a data set.
      max_pixels: Largest number of pixels of an image.
    """

    max_pixels = pixel_limit.PIXELS

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.root, self.data_dir = folder / "images", folder / "data"
        self.name = f"{names.FOLDER}{self.root}"

    def fill(self, part: str, *sizes: int):
        """A folder for each class, of so many images."""
        for name, size in zip(CLASSES, sizes, strict=False):
            folder = self.root / part / name
            folder.mkdir(parents=True)
            for number in range(size):
                # The bytes tell which it is.
                Image.fromarray(pixels(number)).save(folder / f"{number}.png")

    def load(self) -> datasets.Dataset:
        return datasets.load(self.name, str(self.data_dir), self.max_pixels)

    def splits(self) -> dict[str, list[tuple[bytes, int]]]:
        dataset = self.load()
        splits = {}
        for split in ("train", "validation", "test"):
            examples = dataset.read(split)
            splits[split] = [
                (image, int(label))
                for image, label in examples.as_numpy_iterator()
            ]
            self.assertLen(splits[split], dataset.num_examples(split))
            self.assertLen(examples, dataset.num_examples(split))
        return splits

    def files(self, *parts: str) -> list[tuple[bytes, int]]:
        """Content and class of every file, by a walk of the folder."""
        return [
            (path.read_bytes(), label)
            for part in parts
            for label, name in enumerate(CLASSES)
            for path in (self.root / part / name).glob("*.*")
        ]

    def sizes(self, images: list[tuple[bytes, int]]) -> list[int]:
        counts = collections.Counter(label for _, label in images)
        return [counts[label] for label in range(3)]

    def assert_refused(self, message: str):
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            self.load().num_examples("train")
        self.assertNotIn("\n", str(caught.exception))
