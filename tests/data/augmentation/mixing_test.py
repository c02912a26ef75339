"""Mixup and CutMix, against NumPy and by hand."""

import dataclasses
import functools
import math

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data.augmentation import augmentation_config, mixing

MIXUP = dataclasses.replace(augmentation_config.NONE, mixup=0.8)
CUTMIX = dataclasses.replace(augmentation_config.NONE, cutmix=1.0)
BOTH = dataclasses.replace(augmentation_config.NONE, mixup=0.8, cutmix=1.0)
BATCH, HEIGHT, WIDTH = 6, 12, 16
PARTNERS = [1, 0, 3, 2, 5, 4]


def _batch() -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).normal(size=[BATCH, HEIGHT, WIDTH, 3])
    return np.float32(images), np.eye(BATCH, 9, dtype=np.float32)


@functools.partial(tf.function, autograph=False)
def _mixed(
    images, targets, recipe: augmentation_config.AugmentationConfig, seed
):
    return mixing.mix(images, targets, recipe, seed)


def _mix(recipe: augmentation_config.AugmentationConfig, seed: int):
    """Mixed images, mixed targets, and the share of a row's own target."""
    images, targets = _mixed(
        *map(tf.constant, _batch()), recipe, tf.constant([seed, 4])
    )
    images, targets = images.numpy(), targets.numpy()
    return images, targets, targets[0, 0]


class MixTest(parameterized.TestCase):
    @parameterized.parameters(range(4))
    def test_mixup_is_a_weighted_mean_with_the_neighbour(self, seed):
        plain, one_hot = _batch()
        images, targets, share = _mix(MIXUP, seed)
        np.testing.assert_allclose(
            images, share * plain + (1 - share) * plain[PARTNERS], atol=1e-5
        )
        np.testing.assert_allclose(
            targets,
            share * one_hot + (1 - share) * one_hot[PARTNERS],
            atol=1e-6,
        )

    @parameterized.parameters(range(8))
    def test_cutmix_replaces_a_box_by_the_neighbours(self, seed):
        plain, one_hot = _batch()
        images, targets, share = _mix(CUTMIX, seed)
        own, theirs = images == plain, images == plain[PARTNERS]
        np.testing.assert_array_equal(own, ~theirs)
        # The same box of every row and channel.
        box = theirs[0, :, :, 0]
        np.testing.assert_array_equal(
            theirs, np.broadcast_to(box[None, :, :, None], theirs.shape)
        )
        rows, columns = (np.flatnonzero(box.any(axis)) for axis in (1, 0))
        self.assertEqual(box.sum(), len(rows) * len(columns))
        if len(rows):
            self.assertEqual(np.ptp(rows), len(rows) - 1)
            self.assertEqual(np.ptp(columns), len(columns) - 1)
        # Targets have the shares of what is seen.
        self.assertAlmostEqual(share, own.mean(), places=6)
        np.testing.assert_allclose(
            targets,
            share * one_hot + (1 - share) * one_hot[PARTNERS],
            atol=1e-6,
        )

    def test_mixups_share_is_betas(self):
        shares = np.array([_mix(MIXUP, seed)[2] for seed in range(400)])
        # Of Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)).
        variance = 1 / (4 * (2 * 0.8 + 1))
        self.assertAlmostEqual(
            shares.mean(), 0.5, delta=4 * math.sqrt(variance / 400)
        )
        self.assertAlmostEqual(shares.var(), variance, delta=0.25 * variance)

    def test_a_small_alpha_takes_one_of_the_two(self):
        recipe = dataclasses.replace(augmentation_config.NONE, mixup=1e-4)
        shares = np.array([_mix(recipe, seed)[2] for seed in range(60)])
        np.testing.assert_allclose(shares * (1 - shares), 0, atol=1e-3)

    @parameterized.parameters("mixup", "cutmix")
    def test_the_smallest_alpha_is_drawn_without_nan(self, field):
        recipe = dataclasses.replace(augmentation_config.NONE, **{field: 1e-30})
        for seed in range(20):
            images, targets, share = _mix(recipe, seed)
            self.assertTrue(np.isfinite(images).all())
            self.assertTrue(np.isfinite(targets).all())
            if field == "mixup":  # A box may reach beyond the image.
                self.assertIn(share, (0, 1))

    @parameterized.parameters((0.0, 0), (0.5, 100), (1.0, 200))
    def test_cutmix_is_in_as_many_batches_as_asked(self, switch, expected):
        recipe = dataclasses.replace(BOTH, cutmix_switch=switch)
        plain, _ = _batch()
        cut = 0
        for seed in range(200):
            images, _, share = _mix(recipe, seed)
            same = (images == plain) | (images == plain[PARTNERS])
            cut += same.all() and 0 < share < 1
        # A box may be empty or all, and four deviations of a fair coin.
        self.assertBetween(cut, expected - 40, expected + 28)

    def test_a_share_of_the_batch_is_mixed_as_in_the_whole(self):
        plain, one_hot = _batch()
        for recipe in (MIXUP, CUTMIX):
            whole = _mix(recipe, 3)
            for rows in (slice(0, 2), slice(2, 6)):
                part = _mixed(
                    tf.constant(plain[rows]),
                    tf.constant(one_hot[rows]),
                    recipe,
                    tf.constant([3, 4]),
                )
                for found, expected in zip(part, whole[:2], strict=True):
                    np.testing.assert_array_equal(found, expected[rows])


class BoxMaskTest(absltest.TestCase):
    def test_boxes_of_a_quarter_of_the_area_have_half_of_each_side(self):
        tops, lefts = [], []
        for seed in range(200):
            mask = mixing.box_mask((20, 40), 0.25, tf.constant([seed, 1]))
            rows = np.flatnonzero(mask.numpy().any(axis=1))
            columns = np.flatnonzero(mask.numpy().any(axis=0))
            # timm's box: 5 and 10 pixels each way, cut off at the borders.
            for found, side, half in ((rows, 20, 5), (columns, 40, 10)):
                if found[0] > 0 and found[-1] < side - 1:
                    self.assertLen(found, 2 * half)
                else:
                    self.assertBetween(len(found), half, 2 * half)
            tops.append(rows[0])
            lefts.append(columns[0])
        # Centres reach both borders.
        self.assertEqual((min(tops), max(tops)), (0, 14))
        self.assertEqual((min(lefts), max(lefts)), (0, 29))

    def test_no_area_and_all_of_it(self):
        seed = tf.constant([1, 1])
        self.assertFalse(mixing.box_mask((8, 8), 0.0, seed).numpy().any())
        # Around the centre's pixel: what is beyond the image is lost.
        self.assertGreaterEqual(
            mixing.box_mask((8, 8), 1.0, seed).numpy().mean(), 0.25
        )


if __name__ == "__main__":
    absltest.main()
