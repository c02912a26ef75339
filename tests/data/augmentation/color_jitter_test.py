"""Color jitter: its draws, and what they do to an image."""

import collections
import math
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image, ImageEnhance

from tests.helpers import images
from tf_autoformer.data.augmentation import color_jitter, colors

PILLOW = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def _record(pixels: np.ndarray, seed: int, strength: float):
    """The result, and the changes in order: names and factors."""
    changes = []

    def recorder(name, function):
        def record(image, factor):
            changes.append((name, float(factor)))
            return function(image, factor)

        return record

    recorders = {n: recorder(n, getattr(colors, n)) for n in PILLOW}
    with mock.patch.multiple(colors, **recorders):
        found = color_jitter.apply(pixels, [seed, 1], strength)
    return found.numpy(), changes


class ColorJitterTest(parameterized.TestCase):
    @parameterized.parameters(*images.IMAGES)
    def test_it_does_as_pillow_with_the_same_draws(self, name):
        for seed in range(4):
            found, changes = _record(images.IMAGES[name], seed, 0.4)
            expected = Image.fromarray(images.IMAGES[name])
            for change, factor in changes:
                expected = PILLOW[change](expected).enhance(factor)
            np.testing.assert_array_equal(found, expected)

    @parameterized.parameters((0.4, 0.6, 1.4), (1.5, 0.0, 2.5))
    def test_order_and_factors_are_uniform(self, strength, low, high):
        number = 600
        orders = collections.Counter()
        factors = []
        for seed in range(number):
            _, changes = _record(images.IMAGES["one_pixel"], seed, strength)
            orders["".join(name[0] for name, _ in changes)] += 1
            factors.append([factor for _, factor in sorted(changes)])
        self.assertCountEqual(
            orders, ["bcs", "bsc", "cbs", "csb", "sbc", "scb"]
        )
        deviation = math.sqrt(number / 6 * 5 / 6)
        for count in orders.values():
            self.assertAlmostEqual(count, number / 6, delta=4 * deviation)
        uniform = (np.array(factors) - low) / (high - low)  # [number, 3]
        self.assertBetween(uniform.min(), 0, 0.01)
        self.assertBetween(uniform.max(), 0.99, 1)
        deviation = math.sqrt(1 / 12 / number)
        for mean in uniform.mean(axis=0):
            self.assertAlmostEqual(mean, 0.5, delta=4 * deviation)
        correlations = np.corrcoef(uniform.T) - np.eye(3)
        self.assertLess(np.abs(correlations).max(), 4 / math.sqrt(number))

    def test_without_strength_nothing_changes(self):
        pixels = images.IMAGES["noise"]
        found = color_jitter.apply(pixels, [0, 0], 0.0)
        np.testing.assert_array_equal(found, pixels)

    def test_each_image_of_a_map_has_its_own_draw_as_in_eager_execution(self):
        pixels = images.IMAGES["noise"]
        dataset = tf.data.Dataset.range(12).map(
            lambda i: color_jitter.apply(
                pixels, tf.stack([7, tf.cast(i, tf.int32)]), 0.4
            ),
            num_parallel_calls=4,
        )
        found = np.stack(list(dataset.as_numpy_iterator()))
        expected = [color_jitter.apply(pixels, [7, i], 0.4) for i in range(12)]
        np.testing.assert_array_equal(found, expected)
        self.assertLen(np.unique(found, axis=0), 12)


if __name__ == "__main__":
    absltest.main()
