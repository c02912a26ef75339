"""Data that change while they are read, or that two processes prepare."""

import pathlib
import threading
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest
from PIL import Image

from tests.helpers import fakes
from tf_autoformer import errors, files
from tf_autoformer.data import pipeline
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.data.sources import datasets, names


class ChangingDataTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def read(self, dataset: datasets.Dataset) -> None:
        """Reads training images, as a training does."""
        batches = pipeline.training(
            dataset, (8, 8), 4, 0, augmentation_config.AugmentationConfig()
        )
        for _ in dataset.readable(batches.take(20)):
            pass

    def check_fault(self, dataset: datasets.Dataset, message: str) -> None:
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            self.read(dataset)
        self.assertNotIn("\n", str(caught.exception))


class FolderTest(ChangingDataTest):
    def setUp(self):
        super().setUp()
        png = tf.io.encode_png(np.zeros([8, 8, 3], np.uint8)).numpy()
        for name in ("cat", "dog"):
            (self.folder / "images" / name).mkdir(parents=True)
            for number in range(9):
                path = self.folder / "images" / name / f"{number}.png"
                path.write_bytes(png)
        name = f"{names.FOLDER}{self.folder / 'images'}"
        self.dataset = datasets.load(name, str(self.folder / "data"))

    def test_whole_data_are_read(self):
        self.read(self.dataset)

    def test_an_image_that_vanishes_is_named(self):
        for number in range(9):
            (self.folder / "images" / "cat" / f"{number}.png").unlink()
        self.check_fault(
            self.dataset,
            r"^cannot read the images: cat/\d.png is gone, .* and 4 more$",
        )

    def test_an_image_that_is_damaged_is_named(self):
        for number in range(9):
            path = self.folder / "images" / "dog" / f"{number}.png"
            path.write_bytes(b"damaged")
        self.check_fault(self.dataset, r"images: dog/\d.png has changed, ")

    def test_an_image_that_grows_beyond_the_limit_is_named(self):
        name = f"{names.FOLDER}{self.folder / 'images'}"
        image = Image.new("RGB", (8, 8))
        for kind in ("png", "webp"):
            for number in range(9):
                image.save(
                    self.folder / "images" / "dog" / f"{number}.png", kind
                )
            dataset = datasets.load(name, str(self.folder / "data"), 64)
            for number in range(9):
                image.resize((8, 9)).save(
                    self.folder / "images" / "dog" / f"{number}.png", kind
                )
            self.check_fault(dataset, r"images: dog/\d.png has changed, ")


class PreparedTest(ChangingDataTest):
    def setUp(self):
        super().setUp()
        labels = {"train": [0, 1, 2] * 10, "test": [0, 1, 2]}
        self.enter_context(
            mock.patch.object(fakes.FakeImages, "labels", labels)
        )

    def load(self) -> datasets.Dataset:
        return datasets.load("fake_images", str(self.folder))

    def test_a_damaged_record_is_named(self):
        dataset = self.load()
        dataset.num_examples("validation")  # The labels are known.
        (path,) = self.folder.rglob("*train.tfrecord*")
        content = bytearray(path.read_bytes())
        content[500] ^= 255
        path.write_bytes(content)
        self.check_fault(
            dataset, f"^cannot read the images: {path}: corrupted record at"
        )

    def test_a_file_that_vanishes_is_named(self):
        dataset = self.load()
        dataset.num_examples("validation")  # The labels are known.
        (path,) = self.folder.rglob("*train.tfrecord*")
        path.unlink()
        self.check_fault(dataset, f"^cannot read the images: {path}: .*No such")

    def test_of_two_that_prepare_it_at_once_one_waits(self):
        generate = fakes.FakeImages._generate_examples
        is_waiting, calls = threading.Event(), []

        def generated(builder, labels):
            calls.append(labels)
            self.assertTrue(is_waiting.wait(30))
            yield from generate(builder, labels)

        found = []

        def load() -> None:
            found.append(self.load().num_examples("test"))

        threads = [threading.Thread(target=load) for _ in range(2)]

        def logged(text, *_) -> None:
            if text.startswith("waiting for process"):
                is_waiting.set()

        with (
            mock.patch.object(
                fakes.FakeImages, "_generate_examples", generated
            ),
            mock.patch.object(files._LOGGER, "info", logged),
        ):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        self.assertEqual(found, [3, 3])
        self.assertLen(calls, 2)  # A call for each split.
        left = [path.name for path in self.folder.iterdir()]
        self.assertCountEqual(left, ["downloads", "fake_images"])


if __name__ == "__main__":
    absltest.main()
