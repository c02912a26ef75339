"""Random erasing: how often, which box, and the noise in it."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer.data.augmentation import erasing

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.1, 0.3)
HEIGHT, WIDTH = 40, 60


def _erase(
    count: int, probability: float, shape: tuple[int, int] = (HEIGHT, WIDTH)
) -> np.ndarray:
    """Images of -1, which no noise equals, after erasing."""
    image = tf.fill([*shape, 3], -1.0)
    erased = tf.data.Dataset.range(count, output_type=tf.int32).map(
        lambda number: erasing.erase(
            image, probability, MEAN, STD, tf.stack([number, 2])
        )
    )
    return np.stack(list(erased.as_numpy_iterator()))


class EraseTest(absltest.TestCase):
    def test_of_as_many_images_as_asked(self):
        count = 2_000
        erased = (_erase(count, 0.25, (8, 8)) != -1).any(axis=(1, 2, 3))
        # Four deviations.
        delta = 4 * math.sqrt(0.25 * 0.75 / count)
        self.assertAlmostEqual(erased.mean(), 0.25, delta=delta)

    def test_one_box_of_all_channels_and_of_timms_extents(self):
        images = _erase(600, 1.0)
        changed = images != -1
        np.testing.assert_array_equal(
            changed, np.repeat(changed[..., :1], 3, axis=-1)
        )
        areas, aspects = [], []
        for mask in changed[..., 0]:
            rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
            self.assertTrue(mask[np.ix_(rows, columns)].all())
            self.assertEqual(mask.sum(), len(rows) * len(columns))
            self.assertEqual(np.ptp(rows), len(rows) - 1)
            self.assertEqual(np.ptp(columns), len(columns) - 1)
            areas.append(mask.mean())
            aspects.append(len(rows) / len(columns))
        # Rounding moves them by half a pixel of each side.
        self.assertBetween(min(areas), 0.015, 0.04)
        self.assertBetween(max(areas), 0.28, 0.345)
        self.assertAlmostEqual(np.mean(areas), (0.02 + 1 / 3) / 2, delta=0.02)
        self.assertBetween(min(aspects), 0.25, 0.4)
        self.assertBetween(max(aspects), 2.3, 3.8)
        self.assertAlmostEqual(np.mean(np.log(aspects)), 0, delta=0.15)

    def test_every_row_and_column_is_erased_at_times(self):
        changed = (_erase(600, 1.0) != -1)[..., 0].any(axis=0)
        self.assertTrue(changed.any(axis=0).all())
        self.assertTrue(changed.any(axis=1).all())

    def test_the_noise_is_standard_normal_once_normalized(self):
        images = _erase(300, 1.0)
        for channel in range(3):
            noise = images[..., channel][images[..., channel] != -1]
            noise = (noise - MEAN[channel]) / STD[channel]
            count = len(noise)
            self.assertGreater(count, 50_000)
            self.assertAlmostEqual(noise.mean(), 0, delta=5 / count**0.5)
            self.assertAlmostEqual(noise.std(), 1, delta=5 / count**0.5)
            # The normal distribution's fourth moment.
            self.assertAlmostEqual((noise**4).mean(), 3, delta=0.2)

    def test_every_pixel_has_noise_of_its_own(self):
        for image in _erase(20, 1.0):
            noise = image[image != -1]
            self.assertGreater(len(np.unique(noise)), 0.99 * len(noise))

    def test_an_image_in_which_no_box_fits_stays(self):
        np.testing.assert_array_equal(_erase(50, 1.0, (1, 1)), -1)

    def test_a_box_may_leave_a_single_line_but_not_less(self):
        for shape, axis in (((3, 30), 2), ((30, 3), 1)):
            changed = (_erase(300, 1.0, shape) != -1)[..., 0]
            self.assertEqual(changed.any(axis).sum(axis=1).max(), 2)

    def test_outside_of_the_box_nothing_changes(self):
        image = np.float32(np.random.default_rng(0).random([9, 7, 3]))
        found = erasing.erase(image, 1.0, MEAN, STD, tf.constant([1, 1]))
        same = (found.numpy() == image).all(axis=-1)
        self.assertBetween(same.mean(), 0.6, 0.99)


if __name__ == "__main__":
    absltest.main()
