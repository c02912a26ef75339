"""Random geometry, measured on images that hold their own coordinates."""

import math
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer.data.augmentation import geometric_jitter

SIDE = 17  # Odd: the centre is a pixel.
CENTRE = SIDE // 2


def _jitter(images: np.ndarray, seed: tuple[int, int]) -> tf.Tensor:
    batch, height, width, _ = images.shape
    transforms = geometric_jitter.draw(
        batch, (height, width), tf.convert_to_tensor(seed)
    )
    return geometric_jitter.apply(images, transforms)


def _coordinates(batch: int) -> np.ndarray:
    """Images whose first channel is x and whose second is y, in [0, 1]."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    return np.repeat(np.float32(np.stack([x, y], -1))[None], batch, axis=0)


def _measure(seed: int, batch: int) -> np.ndarray:
    """Where each image's pixels were read from.

    Bilinear interpolation of a linear function is exact, so that the pixels
    around the centre, which come from inside, hold what they were read at.

    Returns:
      [batch, 2, 3]: input (x, y), relative to the centre, is this matrix times
      output (x, y, 1), relative to the centre.
    """
    read = _jitter(_coordinates(batch), [seed, 1])
    read = np.float64(read) * (SIDE - 1) - CENTRE  # [batch, y, x, (x, y)]
    centre = read[:, CENTRE, CENTRE]
    right = read[:, CENTRE, CENTRE + 1] - centre
    down = read[:, CENTRE + 1, CENTRE] - centre
    return np.stack([right, down, centre], axis=-1)


def _bilinear(image: np.ndarray, x: float, y: float) -> float:
    """One bilinear sample; outside of the image is black."""
    height, width = image.shape
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                weight = (1 - abs(x - column)) * (1 - abs(y - row))
                total += weight * image[row, column]
    return total


class JitterTest(absltest.TestCase):
    def test_the_seed_decides_the_result(self):
        images = np.float32(np.random.default_rng(0).random([4, 8, 8, 3]))
        first, same, other = (
            _jitter(images, seed).numpy() for seed in ([5, 7], [5, 7], [5, 8])
        )
        np.testing.assert_array_equal(first, same)
        self.assertGreater(np.abs(first - other).max(), 0.1)

    def test_every_pixel_is_a_bilinear_sample_with_black_outside(self):
        batch = 6
        images = np.float32(
            np.random.default_rng(1).random([batch, SIDE, SIDE, 1])
        )
        found = _jitter(images, [2, 1]).numpy()
        for image, result, matrix in zip(
            images, found, _measure(2, batch), strict=True
        ):
            for row in range(SIDE):
                for column in range(SIDE):
                    offset = [column - CENTRE, row - CENTRE, 1]
                    x, y = matrix @ offset + CENTRE
                    self.assertAlmostEqual(
                        result[row, column, 0],
                        _bilinear(image[..., 0], x, y),
                        delta=1e-4,
                    )

    def test_rotation_shift_and_zoom_are_uniform_in_their_limits(self):
        batch = 20_000
        matrix = _measure(3, batch)
        # Columns: the images of a step to the right and of a step down.
        (a, b), (c, d) = matrix[:, 0, :2].T, matrix[:, 1, :2].T
        np.testing.assert_allclose(a, d, atol=1e-4)  # A rotation and
        np.testing.assert_allclose(b, -c, atol=1e-4)  # a common scale.
        draws = {
            "angle": np.degrees(np.arctan2(c, a)) / 5,
            "zoom": (np.hypot(a, c) - 1) / 0.05,
            "right": matrix[:, 0, 2] / (0.04 * SIDE),
            "down": matrix[:, 1, 2] / (0.04 * SIDE),
        }
        for name, draw in draws.items():
            with self.subTest(name):
                # Uniform from -1 to 1: the expected value of |draw| is 1/2,
                # and the largest of so many comes close to 1.
                sigma = 1 / math.sqrt(batch)
                self.assertAlmostEqual(draw.mean(), 0, delta=4 * sigma)
                self.assertAlmostEqual(
                    np.abs(draw).mean(), 0.5, delta=4 * sigma
                )
                self.assertBetween(draw.max(), 0.99, 1.001)
                self.assertBetween(draw.min(), -1.001, -0.99)
        correlations = np.corrcoef(list(draws.values())) - np.eye(4)
        self.assertLess(np.abs(correlations).max(), 4 / math.sqrt(batch))

    def test_each_image_of_a_batch_has_its_own_draw(self):
        matrices = _measure(4, 50).reshape(50, -1)
        self.assertLen(np.unique(matrices.round(4), axis=0), 50)

    def test_with_all_limits_zero_nothing_changes(self):
        images = np.float32(np.random.default_rng(2).random([3, 6, 9, 3]))
        with mock.patch.multiple(
            geometric_jitter, _MAX_ANGLE=0.0, _MAX_SHIFT=0.0, _MAX_ZOOM=0.0
        ):
            found = _jitter(images, [0, 0])
        np.testing.assert_allclose(found, images, atol=1e-6)

    def test_an_image_that_is_not_square_turns_around_its_centre(self):
        image = np.zeros([1, 5, 9, 1], np.float32)
        image[:, 2, 4] = 1  # The centre.
        with mock.patch.multiple(
            geometric_jitter, _MAX_SHIFT=0.0, _MAX_ZOOM=0.0
        ):
            found = _jitter(image, [0, 0])
        self.assertAlmostEqual(found.numpy()[0, 2, 4, 0], 1, delta=1e-5)

    def test_shape_type_and_range_are_kept(self):
        images = np.float32(np.random.default_rng(3).random([200, 8, 8, 3]))
        images = images.round()  # Only 0 and 1.
        found = _jitter(images, [1, 1])
        self.assertEqual(found.shape, images.shape)
        self.assertEqual(found.dtype, tf.float32)
        self.assertGreaterEqual(found.numpy().min(), 0)
        self.assertLessEqual(found.numpy().max(), 1 + 1e-6)

    def test_a_graph_gives_what_eager_execution_gives(self):
        images = np.float32(np.random.default_rng(4).random([7, 8, 8, 3]))
        graph = tf.function(lambda seed: _jitter(images, seed))
        np.testing.assert_allclose(
            graph(tf.constant([1, 2])), _jitter(images, [1, 2]), atol=1e-5
        )

    def test_rows_are_transformed_alone_as_in_the_batch(self):
        images = np.float32(np.random.default_rng(5).random([10, 8, 8, 3]))
        transforms = geometric_jitter.draw(10, (8, 8), tf.constant([3, 4]))
        whole = geometric_jitter.apply(images, transforms)
        for rows in (slice(0, 3), slice(3, 10)):
            part = geometric_jitter.apply(images[rows], transforms[rows])
            np.testing.assert_array_equal(part, whole[rows])


if __name__ == "__main__":
    absltest.main()
