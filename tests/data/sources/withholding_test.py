"""Which images are withheld, against counts by brute force."""

import collections
import fractions

import numpy as np
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data.sources import withholding

# Of ImageNet's training images: most classes have 1,300, the least has 732.
IMAGENET = [1300] * 895 + [1055] * 104 + [732]


def _labels(sizes: list[int], seed: int = 0) -> np.ndarray:
    """Labels of classes of these sizes, in an order of no system."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(labels)


def _counts(labels: np.ndarray, mask: np.ndarray, classes: int) -> list[int]:
    counts = collections.Counter(labels[mask].tolist())
    return [counts[label] for label in range(classes)]


class FirstOfEachClassTest(parameterized.TestCase):
    @parameterized.parameters(
        # Sizes, images to choose; shares by hand.
        ([100, 100, 100], 30, [10, 10, 10]),
        ([10, 20, 70], 10, [1, 2, 7]),
        # 3.33 each: the first class gets the one that is left.
        ([10, 10, 10], 10, [4, 3, 3]),
        # 0.3, 1.8 and 7.9, of which those are rounded up that lose most.
        ([3, 18, 79], 10, [1, 2, 8]),
        # At least one of a class, and none of no images.
        ([2, 0, 98], 5, [1, 0, 5]),
        ([4, 4], 0, [1, 1]),
    )
    def test_a_class_gives_its_share(self, sizes, total, expected):
        labels = _labels(sizes)
        mask = withholding.first_of_each_class(labels, len(sizes), total)
        self.assertEqual(_counts(labels, mask, len(sizes)), expected)

    @parameterized.parameters(range(5))
    def test_they_are_the_first_as_a_loop_finds_them(self, seed):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(2, 200, 20).tolist()
        labels = _labels(sizes, seed)
        total = int(rng.integers(40, 200))
        mask = withholding.first_of_each_class(labels, 20, total)
        counts = _counts(labels, mask, 20)
        seen = collections.Counter()
        for label, chosen in zip(labels.tolist(), mask, strict=True):
            self.assertEqual(chosen, seen[label] < counts[label])
            seen[label] += 1
        for size, count in zip(sizes, counts, strict=True):
            share = fractions.Fraction(size * total, sum(sizes))
            if share >= 1:
                self.assertLess(abs(count - share), 1)
            else:
                self.assertEqual(count, 1)

    def test_of_imagenet_exactly_10000(self):
        labels = _labels(IMAGENET)
        mask = withholding.first_of_each_class(labels, 1000, 10_000)
        counts = _counts(labels, mask, 1000)
        self.assertEqual(sum(counts), 10_000)
        # Shares of 10.20, 8.28 and 5.75: the remainders of the latter two are
        # larger, and 10,000 - 895·10 - 104·9 - 6 of the first are left.
        self.assertEqual(
            collections.Counter(counts), {11: 108, 10: 787, 9: 104, 6: 1}
        )


class DivideTest(parameterized.TestCase):
    NAMES = ("cat", "dog", "owl")

    @parameterized.parameters(
        (("validation",), {"validation": 1 + 4 + 5, "train": 9 + 36 + 45}),
        (
            ("test", "validation"),
            # A tenth of 10, 40 and 50, and then of 9, 36 and 45: 0.9, 3.6
            # and 4.5, of nine in all.
            {"test": 1 + 4 + 5, "validation": 9, "train": 81},
        ),
    )
    def test_every_image_is_in_one_split(self, withheld, sizes):
        labels = _labels([10, 40, 50])
        masks = withholding.divide(labels, self.NAMES, withheld)
        self.assertEqual(
            {split: int(mask.sum()) for split, mask in masks.items()}, sizes
        )
        np.testing.assert_array_equal(sum(map(np.int64, masks.values())), 1)
        for mask in masks.values():
            self.assertNotIn(0, _counts(labels, mask, 3))

    def test_the_limit_is_the_validation_splits_size(self):
        labels = _labels(IMAGENET)
        names = [str(number) for number in range(1000)]
        masks = withholding.divide(labels, names, ("validation",), 10_000)
        self.assertEqual(masks["validation"].sum(), 10_000)
        few = withholding.divide(
            _labels([40] * 1000), names, ("validation",), limit=10_000
        )
        self.assertEqual(few["validation"].sum(), 4_000)

    def test_the_smallest_classes_are_in_every_split(self):
        labels = np.array([2, 1, 0, 0, 1, 2, 1, 0, 2])
        masks = withholding.divide(labels, self.NAMES, ("test", "validation"))
        for split, place in {"test": 0, "validation": 1, "train": 2}.items():
            for label in range(3):
                indices = np.flatnonzero(labels == label)
                self.assertEqual(
                    np.flatnonzero(masks[split] & (labels == label)),
                    indices[place],
                )

    @parameterized.parameters(
        (("validation",), [5, 1, 5], "class 'dog' has 1 .* at least 2, .*"),
        (("test", "validation"), [2, 5, 5], "class 'cat' has 2 .* least 3, .*"),
    )
    def test_a_class_with_too_few_images_is_named(
        self, withheld, sizes, message
    ):
        with self.assertRaisesRegex(errors.InputError, message):
            withholding.divide(_labels(sizes), self.NAMES, withheld)

    def test_a_class_without_images_is_no_fault(self):
        masks = withholding.divide(
            _labels([5, 0, 5]), self.NAMES, ("validation",)
        )
        self.assertEqual(masks["validation"].sum(), 2)


if __name__ == "__main__":
    absltest.main()
