"""Random boxes: their areas, proportions and places."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data.augmentation import random_boxes

ASPECT = (3 / 4, 4 / 3)


def _draw(
    count: int,
    shape: tuple[int, int],
    largest: tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1),
    aspect: tuple[float, float] = ASPECT,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each fits, [count], and the boxes, [count, 4]."""

    def one(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.stack([number, 5])
        return random_boxes.draw(
            tf.constant(shape),
            tf.constant(largest or shape),
            area,
            aspect,
            seed,
        )

    drawn = tf.data.Dataset.range(count, output_type=tf.int32).map(one)
    found, box = zip(*drawn.as_numpy_iterator(), strict=True)
    return np.stack(found), np.stack(box)


class DrawTest(parameterized.TestCase):
    def test_area_is_uniform_and_proportion_in_its_logarithm(self):
        # So long a side that every box fits and no rounding is seen.
        shape = (100_000, 100_000)
        count = 4_000
        found, box = _draw(count, shape, area=(0.1, 0.5))
        self.assertTrue(found.all())
        height, width = np.float64(box[:, 2:]).T
        area = (height * width / 1e10 - 0.1) / 0.4
        aspect = np.log(width / height) / math.log(4 / 3)  # From -1 to 1.
        for name, draw in (("area", area), ("aspect", (aspect + 1) / 2)):
            with self.subTest(name):
                # Kolmogorov and Smirnov's distance; above 1.63 / √count in one
                # of a hundred samples.
                uniform = (np.arange(count) + 0.5) / count
                distance = np.abs(np.sort(draw) - uniform).max()
                self.assertLess(distance, 1.63 / math.sqrt(count))
        correlation = np.corrcoef(area, aspect)[0, 1]
        self.assertLess(abs(correlation), 4 / math.sqrt(count))

    def test_every_place_is_as_likely(self):
        count = 4_000
        # All boxes are 2 × 2: there are 3 places one way and 5 the other.
        found, box = _draw(count, (4, 6), area=(1 / 6, 1 / 6), aspect=(1, 1))
        self.assertTrue(found.all())
        np.testing.assert_array_equal(box[:, 2:], [[2, 2]] * count)
        places = 5 * box[:, 0] + box[:, 1]
        counts = np.bincount(places, minlength=15)
        self.assertLen(counts, 15)
        expected = count / 15
        self.assertLess(np.abs(counts - expected).max(), 4 * expected**0.5)

    @parameterized.parameters((30, 40), (60, 20), (1, 7), (3, 3))
    def test_a_box_that_fits_lies_in_the_image(self, *shape):
        found, box = _draw(500, shape)
        top, left, height, width = box[found].T
        self.assertGreater(found.mean(), 0.1)
        for low, side, length in (
            (top, height, shape[0]),
            (left, width, shape[1]),
        ):
            self.assertGreaterEqual(low.min(), 0)
            self.assertGreaterEqual(side.min(), 1)
            self.assertLessEqual((low + side).max(), length)

    def test_none_is_larger_than_allowed(self):
        found, box = _draw(500, (30, 30), (29, 12), aspect=(0.2, 5))
        self.assertEqual(box[found][:, 2].max(), 29)
        self.assertEqual(box[found][:, 3].max(), 12)

    def test_it_is_told_when_ten_do_not_fit(self):
        # Of half of the area, no box is so flat.
        found, _ = _draw(100, (10, 1000), area=(0.5, 1))
        self.assertFalse(found.any())

    def test_ten_are_tried(self):
        # One in ten: 1 - 0.9¹⁰ = 65% of the draws, where a single try has 10%.
        side = 10_000
        largest = (round(side * math.sqrt(0.1)),) * 2
        found, _ = _draw(1_000, (side, side), largest, (0, 1), (1, 1))
        self.assertAlmostEqual(found.mean(), 0.651, delta=0.06)


if __name__ == "__main__":
    absltest.main()
