"""CIFAR-10 and ImageNet out of small archives of their publishers' format."""

import collections
import io
import pathlib
import tarfile
from collections.abc import Mapping
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data.sources import datasets, records

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"


class CifarTest(absltest.TestCase):
    NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog")
    NAMES += ("horse", "ship", "truck")

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def archive(self) -> pathlib.Path:
        """CIFAR-10's binary files, of few images.

        Each is a byte of the label and 32 × 32 bytes of red, green and blue.
        """
        folder = self.folder / "archive" / "cifar-10-batches-bin"
        folder.mkdir(parents=True)
        (folder / "batches.meta.txt").write_text("\n".join(self.NAMES) + "\n")
        names = [f"data_batch_{number}" for number in range(1, 6)]
        for batch, name in enumerate([*names, "test_batch"]):
            records = b"".join(
                bytes([label])
                + bytes([10 * label]) * 1024
                + bytes([40 * batch]) * 1024
                + bytes([number]) * 1024
                for number in range(4)
                for label in range(10)
            )
            (folder / f"{name}.bin").write_bytes(records)
        return folder.parent

    def test_the_archive_gives_images_labels_and_names(self):
        with mock.patch.object(
            tfds.download.DownloadManager,
            "download_and_extract",
            return_value=self.archive(),
        ):
            dataset = datasets.load("cifar10", str(self.folder))
        self.assertEqual(dataset.source.labels, self.NAMES)
        self.assertEqual(
            datasets.source("cifar10", str(self.folder)).labels, self.NAMES
        )
        sizes = {"train": 180, "validation": 20, "test": 40}
        batches = {"train": range(5), "validation": range(5), "test": [5]}
        for split, size in sizes.items():
            self.assertEqual(dataset.num_examples(split), size)
            classes = collections.Counter()
            for encoded, label in dataset.read(split).as_numpy_iterator():
                image = tf.io.decode_image(encoded).numpy()
                self.assertEqual(image.shape, (32, 32, 3))
                red, green, blue = image[0, 0].tolist()
                self.assertEqual(red, 10 * label)
                self.assertIn(green // 40, batches[split])
                self.assertLess(blue, 4)
                classes[int(label)] += 1
            self.assertEqual(set(classes.values()), {size // 10})


def _tar(files: Mapping[str, bytes]) -> bytes:
    """An archive of files by name."""
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return result.getvalue()


def _jpeg(height: int, width: int, level: int) -> bytes:
    """An image all of one grey level, which JPEG keeps."""
    pixels = np.full([height, width, 3], level, np.uint8)
    return tf.io.encode_jpeg(pixels).numpy()


class ImagenetTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.manual = self.folder / "downloads" / "manual"

    def _write_archives(self):
        """Three classes of 3, 4 and 5 training images; five of validation."""
        labels = datasets.source("imagenet2012").labels
        self.manual.mkdir(parents=True)
        classes = {
            f"{labels[label]}.tar": _tar(
                {
                    f"{labels[label]}_{number}.JPEG": _jpeg(
                        20 + number, 30, 10 * label
                    )
                    for number in range(3 + label)
                }
            )
            for label in range(3)
        }
        (self.manual / TRAIN_TAR).write_bytes(_tar(classes))
        images = {
            f"ILSVRC2012_val_{number:08}.JPEG": _jpeg(20, 30, 10 * number)
            for number in range(1, 6)
        }
        (self.manual / VALIDATION_TAR).write_bytes(_tar(images))

    def test_labels_are_the_wordnet_ids_in_order(self):
        labels = datasets.source("imagenet2012").labels
        self.assertLen(labels, 1000)
        self.assertEqual(list(labels), sorted(set(labels)))
        for label in labels:
            self.assertRegex(label, r"^n\d{8}$")
        # Tench, goldfish and toilet tissue.
        self.assertEqual(labels[:2], ("n01440764", "n01443537"))
        self.assertEqual(labels[999], "n15075141")

    def test_the_archives_give_images_with_their_labels(self):
        self._write_archives()
        dataset = datasets.load("imagenet2012", str(self.folder))

        def read(split: str) -> list[tuple]:
            images = [
                (int(label), tf.io.decode_jpeg(encoded).numpy())
                for encoded, label in dataset.read(split).as_numpy_iterator()
            ]
            return [
                (label, image.shape, round(float(image.mean())))
                for label, image in images
            ]

        train, validation = read("train"), read("validation")
        self.assertCountEqual(
            train + validation,
            [
                (label, (20 + number, 30, 3), 10 * label)
                for label in range(3)
                for number in range(3 + label)
            ],
        )
        # One of each class is withheld: a tenth is less.
        self.assertCountEqual([label for label, *_ in validation], range(3))
        self.assertEqual(dataset.num_examples("train"), 9)
        # The ground truth of the first images as ILSVRC has it.
        self.assertCountEqual(
            [(label, level) for label, _, level in read("test")],
            [(65, 10), (970, 20), (230, 30), (809, 40), (516, 50)],
        )

    def test_the_search_is_on_10000_images_withheld_from_training(self):
        self._write_archives()
        labels = np.repeat(np.arange(1000), 1281)
        dataset = datasets.load("imagenet2012", str(self.folder))
        with mock.patch.object(records, "labels", return_value=labels):
            self.assertEqual(dataset.num_examples("validation"), 10_000)
            self.assertEqual(dataset.num_examples("train"), 1_271_000)

    def _message(self) -> str:
        """Of the failure to load, in one line."""
        with self.assertRaises(errors.InputError) as caught:
            datasets.load("imagenet2012", str(self.folder))
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        return message

    def test_without_the_archives_it_says_which_files_go_where(self):
        message = self._message()
        for name in (str(self.manual), TRAIN_TAR, VALIDATION_TAR):
            self.assertIn(name, message)

    def test_a_folder_that_was_not_there_is_not_left_behind(self):
        self.folder = self.folder / "mistyped"
        self._message()
        self.assertFalse(self.folder.exists())

    def test_without_one_archive_it_says_which_is_missing(self):
        self._write_archives()
        (self.manual / VALIDATION_TAR).unlink()
        self.assertIn(str(self.manual / VALIDATION_TAR), self._message())

    def test_the_validation_archive_alone_is_enough_to_evaluate(self):
        self._write_archives()
        (self.manual / TRAIN_TAR).unlink()
        dataset = datasets.load("imagenet2012", str(self.folder))
        self.assertLen(dataset.read("test"), 5)
        for split in ("train", "validation"):
            with self.assertRaisesRegex(
                errors.InputError,
                "^imagenet2012 .* has no split train; it has validation$",
            ):
                dataset.read(split)

    @parameterized.parameters(TRAIN_TAR, VALIDATION_TAR)
    def test_a_file_that_is_no_archive_is_an_input_error(self, name):
        self._write_archives()
        (self.manual / name).write_bytes(b"content" * 1000)
        self.assertIn("imagenet2012", self._message())


if __name__ == "__main__":
    absltest.main()
