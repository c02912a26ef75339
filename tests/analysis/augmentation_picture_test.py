"""The picture of the augmentation shows what each operation does."""

import numpy as np
from absl.testing import absltest

from tf_autoformer.analysis import augmentation_picture


class AugmentationPictureTest(absltest.TestCase):
    def test_it_shows_every_operation_to_both_sides(self):
        image = np.random.default_rng(0).integers(0, 256, [6, 8, 3], np.uint8)
        axes = augmentation_picture.augmentations(image).axes
        shown = {a.get_title(): a.images[0].get_array() for a in axes}
        self.assertLen(shown, 15 * 3)
        np.testing.assert_array_equal(shown["Invert 5"], 255 - image)
        # 256 - int(0.9 · 256) is 26, and 1 + 0.9 · 0.9 is 1.81.
        np.testing.assert_array_equal(
            shown["Solarize 9"], np.where(image < 26, image, 255 - image)
        )
        np.testing.assert_allclose(
            shown["Brightness 9"], np.minimum(255, 1.81 * image), atol=1
        )
        np.testing.assert_allclose(shown["Brightness -9"], 0.19 * image, atol=1)


if __name__ == "__main__":
    absltest.main()
