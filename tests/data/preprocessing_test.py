"""From pixels to inputs, against Pillow's bicubic resize."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tf_autoformer.data import preprocessing


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _pillow(image: np.ndarray, size: int) -> np.ndarray:
    """Bicubic by Pillow, each channel as floats and clipped to [0, 1]."""
    channels = [
        Image.fromarray(channel.astype(np.float32), mode="F").resize(
            (size, size), Image.Resampling.BICUBIC
        )
        for channel in np.moveaxis(image, -1, 0)
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(resized / 255, 0, 1)


class ToRgbTest(parameterized.TestCase):
    @parameterized.parameters(
        (8, 8, 32),  # Larger.
        (40, 40, 7),  # Smaller, by no whole factor: antialiased.
        (10, 14, 8),  # Not square.
        (5, 30, 12),  # Larger one way and smaller the other.
    )
    def test_resize_agrees_with_pillow(self, height, width, size):
        image = _random(height, width, 3)
        found = preprocessing.to_rgb(tf.constant(image), size)
        self.assertEqual(found.dtype, tf.float32)
        np.testing.assert_allclose(found, _pillow(image, size), atol=1e-5)

    @parameterized.parameters(8, 20)
    def test_grey_becomes_three_equal_channels(self, size):
        image = _random(8, 8, 1)
        found = preprocessing.to_rgb(tf.constant(image), size)
        self.assertEqual(found.shape, [size, size, 3])
        expected = _pillow(np.repeat(image, 3, axis=-1), size)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_an_image_of_the_right_size_is_only_scaled(self):
        image = _random(8, 8, 3)
        found = preprocessing.to_rgb(tf.constant(image), 8)
        np.testing.assert_allclose(found, image / 255, rtol=1e-6)

    def test_the_overshoot_of_bicubic_is_clipped(self):
        step = np.zeros([8, 8, 3], np.uint8)
        step[:, 4:] = 255
        found = preprocessing.to_rgb(tf.constant(step), 32).numpy()
        self.assertEqual((found.min(), found.max()), (0.0, 1.0))

    def test_works_in_a_pipeline_on_images_of_unknown_size(self):
        images = [_random(6, 9, 3), _random(12, 5, 3)]
        found = tf.data.Dataset.from_generator(
            lambda: images,
            output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
        ).map(lambda image: preprocessing.to_rgb(image, 8))
        self.assertEqual(found.element_spec.shape, [8, 8, 3])
        for image, result in zip(images, found, strict=True):
            np.testing.assert_allclose(result, _pillow(image, 8), atol=1e-5)


class NormalizeTest(absltest.TestCase):
    def test_each_channel_by_its_own_mean_and_deviation(self):
        images = _random(2, 4, 4, 3).astype(np.float32) / 255
        mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
        found = preprocessing.normalize(images, mean, std).numpy()
        for channel in range(3):
            np.testing.assert_allclose(
                found[..., channel] * std[channel] + mean[channel],
                images[..., channel],
                atol=1e-6,
            )
        # By hand: (0.45 - 0.2) / 0.25.
        middle = np.full([1, 1, 1, 3], 0.45, np.float32)
        self.assertAlmostEqual(
            preprocessing.normalize(middle, mean, std).numpy()[0, 0, 0, 1],
            1.0,
            places=6,
        )


if __name__ == "__main__":
    absltest.main()
