"""RandAugment: levels, draws, and every operation against Pillow.

Levels are compared with tables computed by hand from timm 0.3.2's formulas.
"""

import math
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image, ImageEnhance, ImageOps

from tests.helpers import images
from tf_autoformer.data.augmentation import randaugment

FILL = np.uint8([124, 116, 104])
NAMES = [
    "AutoContrast",
    "Equalize",
    "Invert",
    "Rotate",
    "Posterize",
    "Solarize",
    "SolarizeAdd",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateXRel",
    "TranslateYRel",
]
# At levels 0, 1, …, 10.
BITS = (4, 4, 4, 3, 3, 2, 2, 2, 1, 1, 0)
THRESHOLDS = (256, 231, 205, 180, 154, 128, 103, 77, 52, 26, 0)
ADDENDS = (0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 110)
RAMP = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)


def _run(name: str, image: np.ndarray, level: float, sign: int) -> np.ndarray:
    operation = randaugment.OPERATIONS[name]
    found = operation(
        tf.constant(image), tf.constant(float(level)), float(sign), FILL
    )
    return found.numpy()


def _apply(image, seed, count=2, magnitude=9.0, stddev=0.5):
    return randaugment.apply(
        image, seed, count, magnitude, stddev, fill=(0.485, 0.456, 0.406)
    )


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BILINEAR,
        fillcolor=tuple(FILL.tolist()),
    )


def _pillow(name: str, image: Image.Image, level: int, sign: int):
    """One operation as Pillow does it."""
    factor = 1 + sign * 0.09 * level
    shear, shift = sign * 0.03 * level, sign * 0.045 * level
    addend = ADDENDS[level]
    table = [v + addend if v < 128 else v for v in range(256)]
    return {
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageOps.invert(image),
        "Rotate": lambda: image.rotate(
            sign * 3 * level,
            resample=Image.Resampling.BILINEAR,
            fillcolor=tuple(FILL.tolist()),
        ),
        "Posterize": lambda: ImageOps.posterize(image, BITS[level]),
        "Solarize": lambda: ImageOps.solarize(image, THRESHOLDS[level]),
        "SolarizeAdd": lambda: image.point(table * 3),
        "Color": lambda: ImageEnhance.Color(image).enhance(factor),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "ShearX": lambda: _affine(image, 1, shear, 0, 0, 1, 0),
        "ShearY": lambda: _affine(image, 1, 0, 0, shear, 1, 0),
        "TranslateXRel": lambda: _affine(
            image, 1, 0, shift * image.width, 0, 1, 0
        ),
        "TranslateYRel": lambda: _affine(
            image, 1, 0, 0, 0, 1, shift * image.height
        ),
    }[name]()


class OperationsTest(parameterized.TestCase):
    def test_there_are_the_fifteen_of_timm_in_its_order(self):
        self.assertEqual(list(randaugment.OPERATIONS), NAMES)

    @parameterized.product(
        name=NAMES,
        image=["noise", "gradient", "not_square", "one_pixel", "two_rows"],
    )
    def test_each_equals_pillow_within_a_grey_level(self, name, image):
        pixels = images.IMAGES[image]
        for level in (0, 1, 5, 9, 10):
            for sign in (-1, 1):
                expected = _pillow(name, Image.fromarray(pixels), level, sign)
                difference = np.abs(
                    np.int32(_run(name, pixels, level, sign))
                    - np.asarray(expected)
                )
                self.assertLessEqual(difference.max(), 1, (level, sign))

    def test_levels_of_what_is_a_whole_number(self):
        for level in range(11):
            with self.subTest(level):
                kept = np.unique(_run("Posterize", RAMP, level, 1))
                self.assertLen(kept, 2 ** BITS[level])
                is_kept = _run("Solarize", RAMP, level, 1) == RAMP
                self.assertEqual(is_kept[:, 0, 0].sum(), THRESHOLDS[level])
                added = _run("SolarizeAdd", RAMP, level, 1) - RAMP
                self.assertEqual(added[0, 0, 0], ADDENDS[level])
                self.assertEqual(np.count_nonzero(added[128:]), 0)

    @parameterized.parameters(-1, 1)
    def test_factors_go_up_to_nine_tenths_from_one(self, sign):
        grey = np.full([1, 1, 3], 100, np.uint8)
        for level in range(11):
            found = _run("Brightness", grey, level, sign)
            self.assertAlmostEqual(
                found[0, 0, 0], 100 + sign * 9 * level, delta=1
            )


class ApplyTest(parameterized.TestCase):
    def test_draws_are_those_of_timm(self):
        """Operations that write down what they were given."""
        number, magnitude, stddev = 30_000, 8.5, 1.0

        def recorder(index: int):
            return lambda image, level, sign, fill: tf.cast(
                tf.stack([index, level * 25, sign + 1]), tf.uint8
            )[None, None]

        recorders = {n: recorder(i + 1) for i, n in enumerate(NAMES)}
        with mock.patch.dict(randaugment.OPERATIONS, recorders):
            dataset = tf.data.Dataset.range(number).map(
                lambda i: _apply(
                    tf.zeros([1, 1, 3], tf.uint8),
                    tf.stack([tf.cast(i, tf.int32), 3]),
                    1,
                    magnitude,
                    stddev,
                )
            )
            [found] = dataset.batch(number).as_numpy_iterator()
        choice, level, sign = found.reshape(-1, 3).T
        applied = choice > 0
        self._assert_share(applied, 0.5)
        for index in range(15):
            self._assert_share(choice[applied] == index + 1, 1 / 15)
        self._assert_share(sign[applied] == 2, 0.5)
        self._assert_share(sign[applied] == 0, 0.5)
        # Of the normal distribution 1.5 deviations above its mean.
        self._assert_share(level[applied] == 250, 0.0668)
        self._assert_share(level[applied] <= 212, 0.5)
        self._assert_share(level[applied] <= 187, 0.1587)
        self._assert_share(choice[1:] == choice[:-1], 1 / 4 + 1 / 4 / 15)
        records = np.stack([choice, level, sign])[:, applied]
        correlations = np.corrcoef(records) - np.eye(3)
        self.assertLess(np.abs(correlations).max(), 4 / math.sqrt(number / 2))

    def _assert_share(self, events: np.ndarray, expected: float):
        deviation = math.sqrt(expected * (1 - expected) / len(events))
        self.assertAlmostEqual(events.mean(), expected, delta=4 * deviation)

    def test_the_results_are_chains_of_pillows_operations(self):
        """All that two operations at level 9 can make of an image."""
        pixels = images.IMAGES["not_square"]
        variants = [
            lambda image, name=name, sign=sign: _pillow(name, image, 9, sign)
            for name in NAMES
            for sign in (-1, 1)
        ]
        variants.append(lambda image: image)
        first = [variant(Image.fromarray(pixels)) for variant in variants]
        possible = np.stack([variant(i) for i in first for variant in variants])
        for seed in range(20):
            found = np.int16(_apply(pixels, [seed, 0], stddev=0.0))
            is_other = np.abs(found - possible) > 1
            # The second may enlarge the grey level by which the first is off.
            self.assertLess(is_other.mean(axis=(1, 2, 3)).min(), 0.01)

    def test_the_seed_decides_the_result(self):
        pixels = images.IMAGES["noise"]
        results = {
            _apply(pixels, [seed, 5]).numpy().tobytes()
            for seed in range(20)
            for _ in range(2)
        }
        # One in four is left as it is.
        self.assertBetween(len(results), 10, 20)

    def test_each_image_of_a_map_has_its_own_draw_as_in_eager_execution(self):
        pixels = images.IMAGES["eight_by_eight"]
        dataset = tf.data.Dataset.range(60).map(
            lambda i: _apply(pixels, tf.stack([7, tf.cast(i, tf.int32)])),
            num_parallel_calls=4,
        )
        found = np.stack(list(dataset.as_numpy_iterator()))
        expected = np.stack([_apply(pixels, [7, i]) for i in range(60)])
        self.assertLessEqual(np.abs(np.int16(found) - expected).max(), 1)
        self.assertGreater(len(np.unique(found, axis=0)), 30)

    def test_sizes_may_be_unknown_until_it_runs(self):
        function = tf.function(
            _apply,
            input_signature=[
                tf.TensorSpec([None, None, 3], tf.uint8),
                tf.TensorSpec([2], tf.int32),
            ],
        )
        for name, pixels in images.IMAGES.items():
            with self.subTest(name):
                for seed in range(5):
                    found = function(pixels, [seed, 2])
                    self.assertEqual(found.shape, pixels.shape)
                    self.assertEqual(found.dtype, tf.uint8)

    def test_without_operations_nothing_changes(self):
        pixels = images.IMAGES["noise"]
        np.testing.assert_array_equal(_apply(pixels, [0, 0], 0), pixels)

    def test_the_fill_is_rounded_to_grey_levels(self):
        fills = []

        def record(image, level, sign, fill):
            fills.append(fill.numpy().tolist())
            return image

        with mock.patch.dict(
            randaugment.OPERATIONS, dict.fromkeys(NAMES, record)
        ):
            for seed in range(10):
                _apply(images.IMAGES["noise"], [seed, 0])
        self.assertNotEmpty(fills)
        for fill in fills:
            self.assertEqual(fill, FILL.tolist())


if __name__ == "__main__":
    absltest.main()
