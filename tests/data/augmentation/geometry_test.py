"""Rotating, shearing and shifting against Pillow's bilinear transforms."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import images
from tf_autoformer.data.augmentation import geometry

FILL = (124, 0, 255)


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BILINEAR,
        fillcolor=FILL,
    )


PILLOW = {
    "rotate": lambda image, degrees: image.rotate(
        degrees, resample=Image.Resampling.BILINEAR, fillcolor=FILL
    ),
    "shear_x": lambda image, factor: _affine(image, 1, factor, 0, 0, 1, 0),
    "shear_y": lambda image, factor: _affine(image, 1, 0, 0, factor, 1, 0),
    "translate_x": lambda image, share: _affine(
        image, 1, 0, share * image.width, 0, 1, 0
    ),
    "translate_y": lambda image, share: _affine(
        image, 1, 0, 0, 0, 1, share * image.height
    ),
}
# Of the largest rotation, shear and translation.
PARTS = (-1.0, -0.9, -0.37, -0.05, 0.0, 0.02, 0.5, 0.93, 1.0)
LIMITS = {"rotate": 30, "shear_x": 0.3, "shear_y": 0.3} | dict.fromkeys(
    ["translate_x", "translate_y"], 0.45
)


class GeometryTest(parameterized.TestCase):
    @parameterized.product(name=list(PILLOW), image=list(images.IMAGES))
    def test_it_equals_pillow_within_a_grey_level(self, name, image):
        pixels = images.IMAGES[image]
        for part in PARTS:
            argument = part * LIMITS[name]
            found = getattr(geometry, name)(pixels, argument, FILL)
            self.assertEqual(found.dtype, tf.uint8)
            expected = PILLOW[name](Image.fromarray(pixels), argument)
            difference = np.int32(found) - np.asarray(expected)
            self.assertLessEqual(np.abs(difference).max(), 1, argument)
            # Few, though more were results rounded rather than cut off.
            self.assertLess(np.mean(difference != 0), 0.25, argument)

    @parameterized.parameters(*PILLOW)
    def test_nothing_changes_at_zero(self, name):
        pixels = images.IMAGES["not_square"]
        found = getattr(geometry, name)(pixels, 0.0, FILL)
        np.testing.assert_array_equal(found, pixels)

    def test_a_shift_by_whole_pixels_is_exact_and_filled(self):
        pixels = images.IMAGES["noise"]
        found = geometry.translate_x(pixels, 0.25, FILL).numpy()
        np.testing.assert_array_equal(found[:, :48], pixels[:, 16:])
        np.testing.assert_array_equal(
            found[:, 48:], np.broadcast_to(np.uint8(FILL), [64, 16, 3])
        )
        found = geometry.translate_y(pixels, -0.25, FILL).numpy()
        np.testing.assert_array_equal(found[16:], pixels[:48])

    def test_it_turns_counterclockwise(self):
        pixels = np.zeros([9, 9, 3], np.uint8)
        pixels[4, 8] = 255  # In the middle of the right side.
        found = geometry.rotate(pixels, 90.0, FILL).numpy()
        self.assertGreaterEqual(found[0, 4].min(), 254)


if __name__ == "__main__":
    absltest.main()
