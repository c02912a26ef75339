"""Formats and modes of images, decoded as Pillow does."""

import io

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import image_folders
from tf_autoformer.data import preprocessing

_pixels = image_folders.pixels
_encoded = image_folders.encoded


class FormatsTest(parameterized.TestCase):
    """What Pillow writes, decoded as it is for training."""

    @parameterized.parameters(
        ("L", "JPEG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "BMP"),
        ("L", "BMP"),
        ("1", "BMP"),
        ("P", "BMP"),
        ("RGBA", "BMP"),
        ("P", "GIF"),
    )
    def test_decodes_as_pillow_does(self, mode, kind):
        image = Image.fromarray(_pixels(0)).convert(mode)
        encoded = _encoded(image, kind)
        stored = Image.open(io.BytesIO(encoded))
        self.assertEqual(stored.format, kind)
        expected = np.array(stored.convert("RGB"))
        found = preprocessing.decode(encoded).numpy()
        # Decoders round each in its way.
        np.testing.assert_allclose(
            np.int32(found), expected, atol=4 if kind == "JPEG" else 0
        )

    def test_of_16_bits_the_upper_8_count(self):
        pixels = np.uint16(_pixels(0)[..., 0]) * 256 + 77
        encoded = _encoded(Image.fromarray(pixels), "PNG")
        found = preprocessing.decode(encoded).numpy()
        np.testing.assert_array_equal(
            found, np.repeat(_pixels(0)[..., :1], 3, axis=-1)
        )

    @parameterized.parameters(((1, 1), "PNG"), ((1, 1), "JPEG"))
    def test_a_single_pixel(self, shape, kind):
        image = Image.fromarray(_pixels(0, *shape))
        found = preprocessing.decode(_encoded(image, kind))
        self.assertEqual(found.shape, [1, 1, 3])


if __name__ == "__main__":
    absltest.main()
