"""Changes of colour: each is Pillow's to the bit."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image, ImageEnhance, ImageOps

from tests.helpers import images
from tf_autoformer.data.augmentation import colors

ENHANCEMENTS = {
    "saturation": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "brightness": ImageEnhance.Brightness,
    "sharpness": ImageEnhance.Sharpness,
}
FACTORS = np.float32([0, 0.1, 0.19, 0.73, 1, 1.27, 1.81, 1.9]).tolist()


def _solarize_add(image: Image.Image, addend: int) -> Image.Image:
    """What Pillow has no operation for."""
    table = [min(255, v + addend) if v < 128 else v for v in range(256)]
    return image.point(table * 3)


class ColorsTest(parameterized.TestCase):
    def _assert_same(self, found: tf.Tensor, expected: Image.Image):
        self.assertEqual(found.dtype, tf.uint8)
        np.testing.assert_array_equal(found, np.asarray(expected))

    @parameterized.product(
        name=["autocontrast", "equalize", "invert"], image=list(images.IMAGES)
    )
    def test_without_argument_it_equals_pillow(self, name, image):
        pixels = images.IMAGES[image]
        self._assert_same(
            getattr(colors, name)(pixels),
            getattr(ImageOps, name)(Image.fromarray(pixels)),
        )

    def test_all_ranges_are_stretched_as_by_pillow(self):
        # Of 256 values the first is the least and the last the greatest.
        for low, high in np.random.default_rng(1).integers(0, 256, [40, 2]):
            pixels = np.linspace(low, high, 256).astype("u1").reshape(16, 16, 1)
            pixels = np.repeat(pixels, 3, axis=2)
            self._assert_same(
                colors.autocontrast(pixels),
                ImageOps.autocontrast(Image.fromarray(pixels)),
            )

    @parameterized.parameters(*images.IMAGES)
    def test_posterize_keeps_as_many_bits_as_pillow(self, image):
        pixels = images.IMAGES[image]
        for bits in range(9):
            self._assert_same(
                colors.posterize(pixels, bits),
                ImageOps.posterize(Image.fromarray(pixels), bits),
            )

    @parameterized.parameters(*images.IMAGES)
    def test_solarize_inverts_from_the_same_threshold_as_pillow(self, image):
        pixels = images.IMAGES[image]
        for threshold in (0, 1, 26, 128, 255, 256):
            self._assert_same(
                colors.solarize(pixels, threshold),
                ImageOps.solarize(Image.fromarray(pixels), threshold),
            )

    @parameterized.parameters(*images.IMAGES)
    def test_solarize_add_equals_a_table_of_pillow(self, image):
        pixels = images.IMAGES[image]
        for addend in (0, 1, 99, 110, 127):
            self._assert_same(
                colors.solarize_add(pixels, addend),
                _solarize_add(Image.fromarray(pixels), addend),
            )

    @parameterized.product(name=list(ENHANCEMENTS), image=list(images.IMAGES))
    def test_an_enhancement_equals_pillow_at_every_factor(self, name, image):
        pixels = images.IMAGES[image]
        enhancement = ENHANCEMENTS[name](Image.fromarray(pixels))
        for factor in FACTORS:
            self._assert_same(
                getattr(colors, name)(pixels, factor),
                enhancement.enhance(factor),
            )

    def test_every_color_has_the_grey_of_pillow(self):
        pixels = np.random.default_rng(2).integers(
            0, 256, [200, 300, 3], np.uint8
        )
        pixels[:2, :2] = [[[0] * 3, [255] * 3], [[255, 0, 255], [0, 255, 0]]]
        grey = Image.fromarray(pixels).convert("L").convert("RGB")
        self._assert_same(colors.saturation(pixels, 0.0), grey)


if __name__ == "__main__":
    absltest.main()
