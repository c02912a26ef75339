"""`serving_bytes` takes files as Pillow does. Any other fails alone."""

import dataclasses
import io

import numpy as np
import tensorflow as tf
from absl.testing import absltest
from PIL import Image, ImageOps

from tf_autoformer.data.sources import datasets
from tf_autoformer.serving import served as served_lib

SIZE = 8


def _encoded(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _photograph() -> Image.Image:
    colors = np.random.default_rng(0).integers(0, 256, [3, 3, 3], np.uint8)
    return Image.fromarray(colors).resize((SIZE, SIZE))


class ImageBytesTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The logits are the pixels, so that the answer tells what was read.
        shape = [SIZE, SIZE, 3]
        model = tf.keras.Sequential(
            [tf.keras.layers.InputLayer(shape), tf.keras.layers.Flatten()]
        )
        source = dataclasses.replace(
            datasets.source("digits"),
            labels=[str(number) for number in range(np.prod(shape))],
            mean=(0.0,) * 3,
            std=(1 / 255,) * 3,
            crop=1.0,
        )
        served = served_lib.of_model(model, source)
        cls.signature = served.signatures()["serving_bytes"]

    def pixels(self, *files: bytes) -> np.ndarray:
        answers = self.signature(image_bytes=tf.constant(files))
        self.assertEqual(set(answers["errors"].numpy()), {b""})
        return answers["logits"].numpy().reshape([-1, SIZE, SIZE, 3])

    def errors(self, *files: bytes) -> list[str]:
        answers = self.signature(image_bytes=tf.constant(files, tf.string))
        return [reason.decode() for reason in answers["errors"].numpy()]

    def test_a_palette_is_looked_up(self):
        image = _photograph().quantize(50)
        found = self.pixels(
            *(_encoded(image, kind) for kind in ("BMP", "PNG", "GIF"))
        )
        expected = [np.array(image.convert("RGB"))] * 3
        np.testing.assert_allclose(found, expected, atol=1e-3)

    def test_a_bad_file_fails_alone(self):
        files = [
            _encoded(_photograph(), kind) for kind in ("JPEG", "PNG", "GIF")
        ]
        other_bmp = bytearray(_encoded(_photograph(), "BMP"))
        other_bmp[28] = 16
        bad = {
            b"": "not a JPEG, PNG, GIF or BMP",
            b"no image " * 9: "not a JPEG, PNG, GIF or BMP",
            _encoded(_photograph(), "WEBP"): "not a JPEG, PNG, GIF or BMP",
            bytes(other_bmp): "a damaged BMP, or of a kind that is not ",
            files[0][:300]: "a damaged JPEG, or",
            files[0][:4]: "a damaged JPEG, or",
            files[1][:60]: "a damaged PNG, or",
            files[2][:30]: "a damaged GIF, or",
        }
        batch = [files[0], *bad, files[1], files[2]]
        answers = self.signature(image_bytes=tf.constant(batch))
        alone = self.signature(image_bytes=tf.constant(files))

        self.assertEqual(list(alone["errors"].numpy()), [b""] * 3)
        found = {name: value.numpy() for name, value in answers.items()}
        whole, failed = [0, -2, -1], slice(1, -2)
        self.assertEqual(
            list(found["classes"][whole]), list(alone["classes"].numpy())
        )
        for name in ("logits", "probabilities"):
            np.testing.assert_allclose(found[name][whole], alone[name], 1e-5)
        self.assertEqual(set(found["classes"][failed]), {b""})
        self.assertFalse(found["probabilities"][failed].any())
        self.assertFalse(found["logits"][failed].any())
        reasons = [reason.decode() for reason in found["errors"][failed]]
        for reason, expected in zip(reasons, bad.values(), strict=True):
            self.assertStartsWith(reason, expected)

    def test_an_empty_batch_is_answered(self):
        self.assertEqual(self.errors(), [])

    def test_the_answer_is_to_the_upright_image(self):
        image = _photograph().resize((SIZE, SIZE - 2))
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            encoded = _encoded(image, "PNG", exif=exif)
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))
            np.testing.assert_array_equal(
                self.pixels(encoded), self.pixels(_encoded(upright, "PNG"))
            )

    def test_of_a_thin_image_the_centre_counts(self):
        image = Image.new("RGB", (9_999, 1))
        image.paste((200, 100, 50), (4_990, 0, 5_010, 1))
        found = self.pixels(_encoded(image, "PNG"))
        np.testing.assert_allclose(
            found[0], np.broadcast_to([200, 100, 50], found[0].shape), atol=0.01
        )

    def test_too_many_pixels_are_an_error_that_names_the_limit(self):
        for image in (
            _encoded(Image.new("1", (9_460, 9_460)), "PNG"),
            _encoded(Image.new("1", (65_536, 1)), "PNG"),
            _encoded(Image.new("1", (1, 65_536)), "BMP"),
            # Headers alone.
            b"GIF89a" + b"\xff\xff" * 2 + bytes(20),
            _jpeg_of(65_500, 65_500),
        ):
            (reason,) = self.errors(image)
            self.assertStartsWith(
                reason, "larger than the limit of 89478485 pixels and 65535 to"
            )
        self.assertEndsWith(reason, ": 65500 x 65500")

    def test_a_side_at_the_limit_is_none_too_many(self):
        for shape in ((65_535, 1), (1, 65_535)):
            image = Image.new("RGB", shape, (200, 100, 50))
            for kind in ("PNG", "BMP"):
                found = self.pixels(_encoded(image, kind))
                np.testing.assert_allclose(found[0, 0, 0], [200, 100, 50], 1e-4)


def _jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header claims such a size."""
    content = _encoded(_photograph(), "JPEG")
    at = content.index(b"\xff\xc0") + 5
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return content[:at] + size + content[at + 4 :]


if __name__ == "__main__":
    absltest.main()
