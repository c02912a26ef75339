"""The digits data set against scikit-learn's own copy."""

import collections
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from sklearn import datasets as sklearn_datasets

from tf_autoformer.data.sources import datasets

SIZES = {"train": 1149, "validation": 288, "test": 360}


def _prepare(name: str = "digits") -> dict[str, list[tuple[np.ndarray, int]]]:
    """Prepares a data set in a new folder: split -> images and labels."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = datasets.load(name, folder)
        return {
            split: [
                (tf.io.decode_png(encoded).numpy(), label)
                for encoded, label in dataset.read(split).as_numpy_iterator()
            ]
            for split in SIZES
        }


class DigitsTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.splits = _prepare()
        cls.original = sklearn_datasets.load_digits()

    def test_split_sizes(self):
        sizes = {name: len(images) for name, images in self.splits.items()}
        self.assertEqual(sizes, SIZES)
        self.assertEqual(sum(sizes.values()), 1797)

    def test_splits_are_disjoint_and_together_scikit_learns_images(self):
        # scikit-learn's intensities are whole numbers from 0 to 16.
        found = collections.Counter(
            (np.rint(image[..., 0] * (16 / 255)).tobytes(), int(label))
            for split in self.splits.values()
            for image, label in split
        )
        original = collections.Counter(
            (image.tobytes(), int(label))
            for image, label in zip(
                self.original.images, self.original.target, strict=True
            )
        )
        # No image is there twice: none can be in two splits.
        self.assertEqual(set(original.values()), {1})
        self.assertEqual(found, original)

    def test_pixels_span_the_range_of_a_byte(self):
        image, _ = self.splits["train"][0]
        self.assertEqual((image.shape, image.dtype), ((8, 8, 1), np.uint8))
        values = {
            value
            for image, _ in self.splits["train"]
            for value in np.unique(image)
        }
        self.assertLen(values, 17)
        self.assertEqual((min(values), max(values)), (0, 255))

    @parameterized.parameters(*SIZES)
    def test_classes_have_their_share_of_every_split(self, split):
        everything = np.bincount(self.original.target)
        found = np.bincount([label for _, label in self.splits[split]])
        share = everything * (SIZES[split] / 1797)
        np.testing.assert_allclose(found, share, rtol=0, atol=2)

    def test_another_preparation_gives_the_same_images_in_the_same_order(self):
        for split, images in _prepare().items():
            for (image, label), (expected, expected_label) in zip(
                images, self.splits[split], strict=True
            ):
                np.testing.assert_array_equal(image, expected)
                self.assertEqual(label, expected_label)

    def test_folds_validate_on_each_image_once_and_have_the_same_test_split(
        self,
    ):
        def images(splits, *names):
            return collections.Counter(
                (image.tobytes(), int(label))
                for name in names
                for image, label in splits[name]
            )

        rest = images(self.splits, "train", "validation")
        validated = collections.Counter()
        for fold in "123":
            splits = _prepare(f"digits_folds/{fold}")
            self.assertEqual(
                images(splits, "test"), images(self.splits, "test")
            )
            self.assertEqual(images(splits, "train", "validation"), rest)
            classes = np.bincount([label for _, label in splits["validation"]])
            np.testing.assert_allclose(classes, 47.9, rtol=0, atol=2)
            validated += images(splits, "validation")
        self.assertEqual(validated, rest)


if __name__ == "__main__":
    absltest.main()
