"""What one image goes through: which changes, in which order, of which seed."""

import dataclasses
import math
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data.augmentation import (
    augment,
    augmentation_config,
    color_jitter,
    erasing,
    randaugment,
)
from tf_autoformer.data.sources import datasets

SOURCE = datasets.source("imagenet2012")
DEIT = augmentation_config.AugmentationConfig()


def _image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


class FlipTest(absltest.TestCase):
    def test_an_image_is_itself_or_its_mirror_by_a_fair_draw(self):
        count = 2_000
        image = _image(3, 4, 3)
        found = tf.data.Dataset.range(count).map(
            lambda number: augment.flip(
                image, tf.stack([tf.cast(number, tf.int32), 1])
            )
        )
        found = np.stack(list(found.as_numpy_iterator()))
        itself, mirrored = (
            (found == other).all(axis=(1, 2, 3))
            for other in (image, image[:, ::-1])
        )
        np.testing.assert_array_equal(itself, ~mirrored)
        # Four deviations of a fair coin.
        self.assertAlmostEqual(
            mirrored.mean(), 0.5, delta=4 * 0.5 / math.sqrt(count)
        )
        # Neighbours differ as often as not.
        self.assertBetween(np.mean(mirrored[1:] == mirrored[:-1]), 0.45, 0.55)


class AugmentTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.calls = []
        for module, name in (
            (augment, "flip"),
            (randaugment, "apply"),
            (color_jitter, "apply"),
            (erasing, "erase"),
        ):
            self.enter_context(
                mock.patch.object(
                    module, name, self._recorded(module, getattr(module, name))
                )
            )

    def _recorded(self, module, function):
        name = module.__name__.rpartition(".")[-1]

        def record(image, *arguments):
            self.calls.append((name, image.dtype, arguments))
            return function(image, *arguments)

        return record

    def _names(self, **changes) -> list[str]:
        """Which changes a recipe makes, in order."""
        self.calls.clear()
        recipe = dataclasses.replace(DEIT, **changes)
        found = augment.augment(
            tf.constant(_image(6, 8, 3)), recipe, SOURCE, tf.constant([1, 2])
        )
        self.assertEqual(found.shape, [6, 8, 3])
        self.assertEqual(found.dtype, tf.float32)
        return [name for name, _, _ in self.calls]

    def test_deits_changes_in_their_order(self):
        self.assertEqual(self._names(), ["augment", "randaugment", "erasing"])
        _, colors, erase = self.calls
        self.assertEqual(colors[1], tf.uint8)
        self.assertEqual(colors[2][1:], (2, 9, 0.5, SOURCE.mean))
        self.assertEqual(erase[1], tf.float32)
        self.assertEqual(erase[2][:-1], (0.25, SOURCE.mean, SOURCE.std))

    def test_colours_are_jittered_where_there_is_no_randaugment(self):
        names = self._names(randaugment=0, random_erasing=0)
        self.assertEqual(names, ["augment", "color_jitter"])
        self.assertEqual(self.calls[1][2][1:], (0.4,))

    def test_with_nothing_on_an_image_is_only_scaled(self):
        image = _image(6, 8, 3)
        found = augment.augment(
            tf.constant(image),
            augmentation_config.NONE,
            SOURCE,
            tf.constant([1, 2]),
        )
        self.assertEmpty(self.calls)
        np.testing.assert_allclose(found, image / 255, rtol=1e-6)

    def test_each_change_has_a_seed_that_does_not_depend_on_the_others(self):
        self._names()
        flip, apply, erase = (
            next(a for a in arguments if isinstance(a, tf.Tensor)).numpy()
            for _, _, arguments in self.calls
        )
        self.assertLen({tuple(seed) for seed in (flip, apply, erase)}, 3)
        self._names(flip=False, randaugment=0, color_jitter=0)
        np.testing.assert_array_equal(self.calls[0][2][-1], erase)


if __name__ == "__main__":
    absltest.main()
