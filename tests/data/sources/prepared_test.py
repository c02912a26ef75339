"""Which images of a TFDS data set are in which split."""

import collections
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import fakes
from tf_autoformer import errors
from tf_autoformer.data.sources import datasets


class SplitsTest(parameterized.TestCase):
    LABELS = np.random.default_rng(1).choice(3, 400, p=[0.6, 0.3, 0.1])

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def set_labels(self, **labels):
        self.enter_context(
            mock.patch.object(fakes.FakeImages, "labels", labels)
        )

    def load(self) -> dict[str, list[tuple[int, int]]]:
        """Split -> number and label of its images."""
        dataset = datasets.load("fake_images", str(self.folder))
        splits = {}
        for split in ("train", "validation", "test"):
            examples = dataset.read(split)
            splits[split] = [
                (fakes.number_of(image), int(label))
                for image, label in examples.as_numpy_iterator()
            ]
            # Told without reading.
            size = dataset.num_examples(split)
            self.assertLen(splits[split], size)
            self.assertLen(examples, size)
        return splits

    def assert_withheld(self, images, withheld, rest):
        """A tenth, to one, of each class, and the first in the order."""
        self.assertEmpty(set(withheld) & set(rest))
        self.assertCountEqual([*withheld, *rest], images)
        self.assertLen(withheld, round(len(images) / 10))
        for label in range(3):
            of_class = [image for image in images if image[1] == label]
            found = [image for image in withheld if image[1] == label]
            self.assertAlmostEqual(len(found), len(of_class) / 10, delta=1)
            self.assertEqual(found, of_class[: len(found)])

    def stored(self, split: str) -> list[tuple[int, int]]:
        """Number and label of the images as TFDS reads them."""
        builder = fakes.FakeImages(data_dir=self.folder)
        return [
            (
                int(example["image"][0, 0, 0]) * 256
                + int(example["image"][0, 0, 1]),
                int(example["label"]),
            )
            for example in builder.as_dataset(split=split).as_numpy_iterator()
        ]

    def test_a_tenth_of_each_class_is_withheld_from_training(self):
        self.set_labels(train=self.LABELS, test=[2, 1, 0])
        splits = self.load()
        images = self.stored("train")
        self.assert_withheld(images, splits["validation"], splits["train"])
        self.assertCountEqual(splits["test"], [(0, 2), (1, 1), (2, 0)])

    def test_the_same_are_withheld_the_next_time(self):
        self.set_labels(train=self.LABELS, test=[2, 1, 0])
        first = self.load()
        self.assertEqual(self.load(), first)
        for path in self.folder.rglob("labels-*.npy"):
            path.unlink()
        self.assertEqual(self.load(), first)
        self.folder = self.folder / "other"
        self.assertEqual(self.load(), first)

    @parameterized.parameters(
        {"labels": {}},
        # Labels that are not public.
        {"labels": {"test": [-1] * 50}},
        {"labels": {"test": [-1] * 50, "validation": [-1] * 20}},
    )
    def test_a_test_split_is_withheld_where_there_is_none(self, labels):
        self.set_labels(train=self.LABELS, **labels)
        splits = self.load()
        images = self.stored("train")
        rest = [image for image in images if image not in splits["test"]]
        self.assert_withheld(images, splits["test"], rest)
        self.assert_withheld(rest, splits["validation"], splits["train"])

    @parameterized.parameters({}, {"test": [-1] * 50})
    def test_validation_images_are_the_test_split_if_there_is_no_other(
        self, **more
    ):
        self.set_labels(train=self.LABELS, validation=self.LABELS[:50], **more)
        splits = self.load()
        self.assertEqual(splits["test"], self.stored("validation"))
        images = self.stored("train")
        self.assert_withheld(images, splits["validation"], splits["train"])

    def test_beside_a_test_split_validation_images_are_trained_on(self):
        self.set_labels(
            train=self.LABELS[:200],
            validation=self.LABELS[200:],
            test=self.LABELS[:20],
        )
        splits = self.load()
        training = collections.Counter(splits["train"] + splits["validation"])
        self.assertEqual(
            training,
            collections.Counter(
                self.stored("train") + self.stored("validation")
            ),
        )
        self.assertLen(splits["validation"], 40)

    def test_of_the_withheld_split_nothing_is_read_beyond_its_last_image(self):
        self.set_labels(train=self.LABELS, test=[0])
        self.load()
        dataset = datasets.load("fake_images", str(self.folder))
        taken = []
        take = tf.data.Dataset.take

        def counted(examples, count):
            taken.append(count)
            return take(examples, count)

        with mock.patch.object(tf.data.Dataset, "take", counted):
            found = list(dataset.read("validation"))
        images = self.stored("train")
        last = (fakes.number_of(found[-1][0].numpy()), int(found[-1][1]))
        self.assertEqual(taken, [images.index(last) + 1])
        self.assertLess(taken[0], 150)

    @parameterized.parameters(
        ({"test": [0]}, "fake_images .* has no split train; it has test"),
        ({"train": []}, "^cannot prepare fake_images: .* No examples"),
        (
            {"train": [0, 0, 1, 1, 2], "test": [0]},
            "fake_images: class 'owl' has 1 training images; .* least 2",
        ),
        (
            {"train": [0, 0, 0, 1, 1, 2, 2, 2]},
            "fake_images: class 'dog' has 2 training images; .* least 3",
        ),
        (
            {"train": [0, 1, 2, -1] * 5, "test": [0]},
            r"fake_images, split train: image \d+ has label -1; .* 0 to 2",
        ),
        (
            {"train": [0, 1, 2] * 5, "test": [0, -1]},
            r"fake_images, split test: image \d+ has label -1; .* 0 to 2",
        ),
    )
    def test_data_that_cannot_be_split_are_an_input_error(
        self, labels, message
    ):
        self.set_labels(**labels)
        with self.assertRaisesRegex(errors.InputError, message):
            datasets.load("fake_images", str(self.folder)).num_examples("train")


if __name__ == "__main__":
    absltest.main()
