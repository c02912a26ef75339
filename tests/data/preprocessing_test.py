"""From pixels to inputs, against Pillow's bicubic resize."""

import io

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tf_autoformer.data import preprocessing


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _pillow(
    image: np.ndarray, size: tuple[int, int], box: tuple | None = None
) -> np.ndarray:
    """Bicubic by Pillow, each channel as floats and clipped to [0, 1].

    Args:
      image: [height, width, channels] in [0, 255].
      size: height and width of the result.
      box: left, upper, right and lower edge of what to read; all if None.
    """
    channels = [
        Image.fromarray(channel.astype(np.float32), mode="F").resize(
            size[::-1], Image.Resampling.BICUBIC, box
        )
        for channel in np.moveaxis(image, -1, 0)
    ]
    resized = np.stack([np.asarray(channel) for channel in channels], axis=-1)
    return np.clip(resized / 255, 0, 1)


def _file(image: np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


class DecodeTest(parameterized.TestCase):
    @parameterized.parameters("JPEG", "PNG", "BMP")
    def test_the_pixels_are_pillows_to_the_bit(self, kind):
        # Smooth, as JPEG's blocks are only then within its range.
        image = np.asarray(Image.fromarray(_random(5, 7, 3)).resize((50, 40)))
        file = _file(image, kind)
        expected = np.asarray(Image.open(io.BytesIO(file)))
        np.testing.assert_array_equal(preprocessing.decode(file), expected)

    def test_a_grey_image_has_three_equal_channels(self):
        image = _random(9, 7)
        found = preprocessing.decode(_file(image, "PNG"))
        np.testing.assert_array_equal(found, np.stack([image] * 3, axis=-1))

    def test_works_in_a_pipeline_on_both_kinds(self):
        files = [_file(_random(8, 8, 3), kind) for kind in ("PNG", "JPEG")]
        found = tf.data.Dataset.from_tensor_slices(files).map(
            preprocessing.decode
        )
        self.assertEqual(found.element_spec.shape.as_list(), [None, None, 3])
        self.assertLen(list(found), 2)


class ResizeTest(parameterized.TestCase):
    @parameterized.parameters(
        ((90, 61), (32, 32)), ((20, 30), (32, 24)), ((300, 20), (32, 32))
    )
    def test_levels_are_within_one_of_pillows(self, shape, size):
        # Pillow rounds and clips between its two passes: no contrast that
        # overshoots.
        image = 64 + _random(*shape, 3) // 2
        expected = Image.fromarray(image).resize(
            size[::-1], Image.Resampling.BICUBIC
        )
        found = preprocessing.to_levels(
            preprocessing.resize(tf.constant(image), size)
        )
        self.assertEqual(found.dtype, tf.uint8)
        difference = np.abs(np.int32(found) - np.asarray(expected))
        self.assertLessEqual(difference.max(), 1)
        self.assertLess(difference.mean(), 0.3)

    def test_levels_are_rounded(self):
        found = preprocessing.to_levels(
            tf.constant([0.0, 0.6, 254.4, 255]) / 255
        )
        np.testing.assert_array_equal(found, [0, 1, 254, 255])


class ToRgbTest(parameterized.TestCase):
    @parameterized.parameters(
        ((8, 8), (32, 32)),  # Larger.
        ((40, 40), (7, 7)),  # Smaller, by no whole factor: antialiased.
        ((10, 14), (8, 8)),  # Not square.
        ((5, 30), (12, 12)),  # Larger one way and smaller the other.
        ((8, 8), (4, 12)),  # To what is not square.
        ((6, 9), (9, 6)),
    )
    def test_resize_agrees_with_pillow(self, shape, size):
        image = _random(*shape, 3)
        found = preprocessing.to_rgb(tf.constant(image), size)
        self.assertEqual(found.dtype, tf.float32)
        np.testing.assert_allclose(found, _pillow(image, size), atol=1e-5)

    @parameterized.parameters((8, 8), (20, 12))
    def test_grey_becomes_three_equal_channels(self, *size):
        image = _random(8, 8, 1)
        found = preprocessing.to_rgb(tf.constant(image), size)
        self.assertEqual(found.shape, [*size, 3])
        expected = _pillow(np.repeat(image, 3, axis=-1), size)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_an_image_of_the_right_size_is_only_scaled(self):
        image = _random(8, 12, 3)
        found = preprocessing.to_rgb(tf.constant(image), (8, 12))
        np.testing.assert_allclose(found, image / 255, rtol=1e-6)

    def test_the_overshoot_of_bicubic_is_clipped(self):
        step = np.zeros([8, 8, 3], np.uint8)
        step[:, 4:] = 255
        found = preprocessing.to_rgb(tf.constant(step), (32, 32)).numpy()
        self.assertEqual((found.min(), found.max()), (0.0, 1.0))

    @parameterized.parameters(None, 0.5)
    def test_works_in_a_pipeline_on_images_of_unknown_size(self, crop):
        images = [_random(8, 8, 3), _random(6, 9, 3), _random(12, 5, 3)]
        found = tf.data.Dataset.from_generator(
            lambda: images,
            output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
        ).map(lambda image: preprocessing.to_rgb(image, (8, 8), crop))
        self.assertEqual(found.element_spec.shape, [8, 8, 3])
        for image, result in zip(images, found, strict=True):
            expected = preprocessing.to_rgb(tf.constant(image), (8, 8), crop)
            np.testing.assert_allclose(result, expected, atol=1e-5)


class CropTest(parameterized.TestCase):
    @parameterized.parameters(
        # Of 7/8 of each side: 14 pixels out of 16. The box is in pixels of
        # the image.
        ((32, 64), (14, 14), (18, 2, 46, 30)),  # Wider.
        ((48, 24), (14, 14), (1.5, 13.5, 22.5, 34.5)),  # Taller.
        ((8, 10), (14, 14), (1.5, 0.5, 8.5, 7.5)),  # Smaller than needed.
        ((40, 40), (14, 28), (2.5, 11.25, 37.5, 28.75)),  # To no square.
        ((14, 14), (14, 14), (0.875, 0.875, 13.125, 13.125)),  # Just as large.
    )
    def test_the_centre_is_kept_in_its_proportions(self, shape, size, box):
        image = _random(*shape, 3)
        found = preprocessing.to_rgb(tf.constant(image), size, crop=0.875)
        self.assertEqual(found.shape, [*size, 3])
        np.testing.assert_allclose(found, _pillow(image, size, box), atol=1e-5)

    @parameterized.parameters((30, 47), (97, 33), (51, 51), (19, 23))
    def test_odd_sizes_are_cropped_within_half_a_pixel_of_the_centre(
        self, *shape
    ):
        # Each pixel holds its own row and column, so that the result, between
        # its borders, holds where it was read.
        image = np.zeros([*shape, 3], np.uint8)
        image[..., :2] = np.moveaxis(np.indices(shape), 0, -1)
        found = preprocessing.to_rgb(tf.constant(image), (14, 14), crop=0.875)
        read = 255 * found.numpy()[4:10, 4:10, :2]
        # The shorter side shrinks or grows to 16.
        step = min(shape) / 16
        for axis in (0, 1):
            along = read[..., axis].mean(axis=1 - axis)
            np.testing.assert_allclose(np.diff(along), step, rtol=0.05)
            centre = (shape[axis] - 1) / 2
            self.assertAlmostEqual(along.mean(), centre, delta=0.55 * step)

    @parameterized.parameters(
        ((375, 500), (224, 224)),
        ((501, 333), (224, 224)),
        ((31, 1000), (32, 48)),
        ((9, 7), (32, 32)),
        ((257, 64), (48, 32)),
    )
    def test_it_is_the_centre_of_the_whole_image_resized(self, shape, size):
        image = _random(*shape, 3)
        scale = np.max(np.divide(size, shape)) / 0.875
        whole = tf.image.resize(
            image,
            np.int32(np.round(np.multiply(shape, scale))),
            method="bicubic",
            antialias=True,
        )
        expected = tf.image.resize_with_crop_or_pad(whole, *size)
        found = preprocessing.to_rgb(tf.constant(image), size, crop=0.875)
        np.testing.assert_allclose(
            255 * found, np.clip(expected, 0, 255), atol=0.1
        )

    @parameterized.parameters(False, True)
    def test_a_thin_image_is_not_resized_as_a_whole(self, is_tall):
        # The whole would have 2,560,000,000 pixels to a side.
        image = np.zeros([1, 10_000_000, 3], np.uint8)
        image[:, 4_999_990:5_000_010] = 200, 100, 50
        if is_tall:
            image = image.swapaxes(0, 1)
        found = preprocessing.to_rgb(tf.constant(image), (224, 224), 0.875)
        np.testing.assert_allclose(
            255 * found,
            np.broadcast_to([200, 100, 50], [224, 224, 3]),
            atol=0.01,
        )


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
