"""Random crops against Pillow's, of every kind of file."""

import io

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image
from sklearn import datasets as sklearn_datasets

from tf_autoformer.data.augmentation import cropping

AREA = 0.08


def _seed(number: int) -> tf.Tensor:
    return tf.constant([number, 3])


def _encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _photograph() -> Image.Image:
    pixels = sklearn_datasets.load_sample_image("china.jpg")
    return Image.fromarray(pixels).resize((251, 173))


class DecodeTest(parameterized.TestCase):
    @parameterized.parameters(
        ("RGB", "JPEG", {"subsampling": 0}),
        ("RGB", "JPEG", {"subsampling": 2}),
        ("RGB", "JPEG", {"progressive": True}),
        ("L", "JPEG", {}),
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("RGB", "BMP", {}),
    )
    def test_the_box_of_pillows_pixels(self, mode, kind, options):
        image = _photograph().convert(mode)
        encoded = _encode(image, kind, **options)
        decoded = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        for number in range(6):
            top, left, height, width = cropping.random_box(
                tf.constant(decoded.shape[:2]), AREA, _seed(number)
            ).numpy()
            found = cropping.decode(encoded, AREA, _seed(number))
            self.assertEqual(found.dtype, tf.uint8)
            expected = decoded[top : top + height, left : left + width]
            difference = np.abs(np.int32(found) - expected)
            # Subsampled colours are smoothed across the box's border.
            self.assertLess(difference.mean(), 0.1)
            self.assertEqual(difference[2:-2, 2:-2].max(), 0)

    @parameterized.parameters(
        ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF")
    )
    def test_other_colours_become_rgb(self, mode, kind):
        image = Image.new("RGB", (40, 30), (204, 102, 51)).convert(mode)
        found = cropping.decode(_encode(image, kind), AREA, _seed(0)).numpy()
        expected = image.convert("RGB").getpixel((0, 0))
        np.testing.assert_allclose(
            np.float64(found), np.broadcast_to(expected, found.shape), atol=3
        )

    def test_a_wide_box_of_one_pixel_is_the_pixel(self):
        image = Image.new("RGB", (1, 1), (10, 20, 30))
        for kind in ("PNG", "JPEG"):
            found = cropping.decode(_encode(image, kind), AREA, _seed(0))
            self.assertEqual(found.shape, [1, 1, 3])
            np.testing.assert_allclose(found[0, 0], [10, 20, 30], atol=3)


class RandomBoxTest(parameterized.TestCase):
    @parameterized.parameters(
        # By hand: where nothing between the proportions fits, the largest.
        ((30, 1000), (0, 480, 30, 40)),
        ((1000, 30), (480, 0, 40, 30)),
        ((1, 9), (0, 4, 1, 1)),
        ((12, 14), (0, 0, 12, 14)),
    )
    def test_what_does_not_fit_is_cut_from_the_centre(self, shape, expected):
        # All of the area: at most one proportion fits.
        found = cropping.random_box(tf.constant(shape), 1.0, _seed(1))
        self.assertEqual(found.numpy().tolist(), list(expected))

    def test_crops_keep_the_shares_of_torchvision(self):
        # For a square almost every draw fits; its area is uniform from 8% up
        # to where corners of the proportions no longer fit.
        drawn = tf.data.Dataset.range(2_000, output_type=tf.int32).map(
            lambda number: cropping.random_box(
                tf.constant([500, 500]), AREA, tf.stack([number, 7])
            )
        )
        box = np.float64(list(drawn.as_numpy_iterator()))
        area = box[:, 2] * box[:, 3] / 500**2
        aspect = box[:, 3] / box[:, 2]
        self.assertGreaterEqual(area.min(), 0.079)
        self.assertBetween(area.min(), 0.079, 0.085)
        # What a brute-force loop over the same rule gives, by NumPy.
        rng = np.random.default_rng(0)
        expected = [_brute_force(rng, 500, 500) for _ in range(20_000)]
        areas, aspects = np.transpose(expected)
        for found, wanted in ((area, areas), (aspect, aspects)):
            for share in (0.1, 0.5, 0.9):
                self.assertAlmostEqual(
                    np.quantile(found, share),
                    np.quantile(wanted, share),
                    delta=0.04,
                )


def _brute_force(rng, height: int, width: int) -> tuple[float, float]:
    """Area and proportion of one crop, try by try."""
    for _ in range(10):
        area = rng.uniform(AREA, 1) * height * width
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return w * h / (height * width), w / h
    return 1.0, width / height


if __name__ == "__main__":
    absltest.main()
