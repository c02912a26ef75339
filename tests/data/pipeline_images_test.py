"""The pipelines' images: evaluation's, and files of every kind."""

import dataclasses
import io
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import encoded
from tf_autoformer.data import buffering, pipeline, preprocessing
from tf_autoformer.data.augmentation import augmentation_config

SIZE = (8, 8)
COUNT = 25
COLOR = (204, 102, 51)
# Bytes that hold decoded images, encoded images, or nothing.
DECODED = COUNT * 8 * 8 * 3 * 4
ENCODED = DECODED - 1
NOTHING = 10


def _file(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _photographs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, [9 + i % 3, 12, 3], np.uint8) for i in range(COUNT)
    ]


def _dataset(images: list[np.ndarray], **changes) -> encoded.Encoded:
    files = [_file(Image.fromarray(image), "PNG") for image in images]
    return encoded.dataset(files, **changes)


class ImagesTest(parameterized.TestCase):
    @parameterized.parameters(None, 0.5)
    def test_images_are_resized_or_cropped_as_the_source_says(self, crop):
        images = _photographs()
        found = pipeline.images(_dataset(images, crop=crop), "test", (6, 12))
        self.assertEqual(found.element_spec[0].shape, [6, 12, 3])
        found = list(found.as_numpy_iterator())
        self.assertEqual([label for _, label in found], list(range(COUNT)))
        for (image, _), original in zip(found, images, strict=True):
            expected = preprocessing.to_rgb(
                tf.constant(original), (6, 12), crop
            )
            np.testing.assert_allclose(image, expected, atol=1e-6)


class EvaluationTest(parameterized.TestCase):
    @parameterized.parameters(DECODED, ENCODED, NOTHING)
    def test_every_pass_has_the_split_in_order(self, limit):
        self.enter_context(mock.patch.object(buffering, "LIMIT", limit))
        images = _photographs()
        dataset = _dataset(images, mean=(0.1, 0.2, 0.3), std=(0.5, 0.4, 0.3))
        batches = pipeline.evaluation(dataset, "validation", SIZE, 10)
        for _ in range(2):
            found = list(batches.as_numpy_iterator())
            self.assertEqual([len(y) for _, y in found], [10, 10, 5])
            labels = np.concatenate([labels for _, labels in found])
            np.testing.assert_array_equal(labels, range(COUNT))
            expected = [
                (
                    preprocessing.to_rgb(tf.constant(image), SIZE).numpy()
                    - (0.1, 0.2, 0.3)
                )
                / (0.5, 0.4, 0.3)
                for image in images
            ]
            np.testing.assert_allclose(
                np.concatenate([images for images, _ in found]),
                expected,
                atol=1e-5,
            )

    @parameterized.parameters((DECODED, 1, 1), (ENCODED, 1, 3), (NOTHING, 3, 3))
    def test_what_fits_is_read_or_even_decoded_once(
        self, limit, reads, decodes
    ):
        self.enter_context(mock.patch.object(buffering, "LIMIT", limit))
        read, decoded = [], []
        decode = preprocessing.decode

        def count(counted: list) -> tf.Operation:
            return tf.py_function(lambda: counted.append(1), [], [])

        def counted_read(image, label):
            count(read)
            return image, label

        def counted_decode(image, max_pixels):
            count(decoded)
            return decode(image, max_pixels)

        dataset = _dataset(_photographs())
        plain = dataset.read("test")
        dataset.read = lambda split: plain.map(counted_read)
        with mock.patch.object(preprocessing, "decode", counted_decode):
            batches = pipeline.evaluation(dataset, "test", SIZE, 10)
        read.clear()  # Of the sample that tells the size.
        for _ in range(3):
            list(batches)
        self.assertLen(read, reads * COUNT)
        self.assertLen(decoded, decodes * COUNT)


class LimitTest(parameterized.TestCase):
    @parameterized.parameters(
        "images", "evaluation", "whole", "crops", "jpeg crops"
    )
    def test_the_limit_of_pixels_is_the_data_sets(self, kind):
        files = [
            _file(Image.fromarray(image), "JPEG" if "jpeg" in kind else "PNG")
            for image in _photographs()  # Of up to 12 x 11 pixels.
        ]
        dataset = encoded.dataset(files)
        recipe = dataclasses.replace(
            augmentation_config.NONE, crop_area=0.5 * ("crops" in kind)
        )

        def read(max_pixels: int) -> None:
            dataset.max_pixels = max_pixels
            if kind == "images":
                found = pipeline.images(dataset, "test", SIZE)
            elif kind == "evaluation":
                found = pipeline.evaluation(dataset, "test", SIZE, 10)
            else:
                found = pipeline.training(dataset, SIZE, COUNT, 0, recipe)
            next(iter(found))

        read(132)
        with self.assertRaisesRegex(
            tf.errors.InvalidArgumentError, r"at most\] \[107\] \[pixels"
        ):
            read(107)


class FilesTest(parameterized.TestCase):
    @parameterized.product(
        crop_area=(0, 0.08),
        source_crop=(None, 0.875),
    )
    def test_every_kind_of_file_and_size_is_trained_on(
        self, crop_area, source_crop
    ):
        def of(mode: str, *size: int) -> Image.Image:
            return Image.new("RGB", size, COLOR).convert(mode)

        files = {
            "jpeg": _file(of("RGB", 50, 37), "JPEG"),
            "grey jpeg": _file(of("L", 50, 37), "JPEG"),
            "cmyk jpeg": _file(of("CMYK", 50, 37), "JPEG"),
            "one pixel": _file(of("RGB", 1, 1), "JPEG"),
            "one pixel, png": _file(of("RGB", 1, 1), "PNG"),
            "a line": _file(of("RGB", 400, 1), "JPEG"),
            "png": _file(of("RGB", 30, 40), "PNG"),
            "png with alpha": _file(of("RGBA", 30, 40), "PNG"),
            "grey png": _file(of("L", 30, 40), "PNG"),
            "palette": _file(of("P", 30, 40), "PNG"),
            "gif": _file(of("P", 30, 40), "GIF"),
            "bmp": _file(of("RGB", 30, 40), "BMP"),
            "huge": _file(of("RGB", 4000, 3000), "JPEG"),
        }
        dataset = encoded.dataset(
            list(files.values()),
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            crop=source_crop,
        )
        recipe = dataclasses.replace(
            augmentation_config.NONE, crop_area=crop_area
        )
        batches = pipeline.training(dataset, (16, 16), len(files), 0, recipe)
        images, targets = next(batches.as_numpy_iterator())
        grey = round(0.299 * 204 + 0.587 * 102 + 0.114 * 51)
        for image, label in zip(images, targets.argmax(-1), strict=True):
            name = list(files)[label]
            color = (grey,) * 3 if "grey" in name else COLOR
            with self.subTest(name):
                np.testing.assert_allclose(
                    255 * image, np.broadcast_to(color, image.shape), atol=2
                )


if __name__ == "__main__":
    absltest.main()
