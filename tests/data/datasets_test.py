"""Naming and loading data sets."""

import dataclasses
import io
import pathlib
import re
import tarfile
from collections.abc import Mapping
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data import datasets

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"


class DatasetsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_an_unknown_name_is_refused_with_those_that_exist(self):
        message = "dataset is 'mnist'; it must be one of digits"
        for function in (datasets.source, datasets.labels, datasets.load):
            with self.assertRaisesRegex(errors.InputError, message):
                function("mnist")

    def test_labels_in_the_order_of_the_classes(self):
        self.assertEqual(datasets.labels("digits"), tuple("0123456789"))

    def test_every_source_agrees_with_its_builder(self):
        for name, source in datasets.SOURCES.items():
            self.assertLen(datasets.labels(name), source.num_classes)
            splits = (source.train, source.validation, source.test)
            self.assertLen(set(splits), 3)
            self.assertLen(source.mean, 3)
            self.assertLen(source.std, 3)

    def test_loading_prepares_the_data_in_the_given_folder_once(self):
        folder = self.folder / "new" / "folder"

        def files() -> dict[str, int]:
            return {
                str(file.relative_to(folder)): file.stat().st_mtime_ns
                for file in folder.rglob("*")
                if file.is_file()
            }

        dataset = datasets.load("digits", str(folder))
        self.assertEqual(dataset.num_examples("validation"), 288)
        prepared = files()
        self.assertNotEmpty(prepared)
        again = datasets.load("digits", str(folder))
        self.assertEqual(again.num_examples("validation"), 288)
        self.assertEqual(files(), prepared)

    @parameterized.parameters("training", "train[5000:]", "train[:5000]")
    def test_a_split_that_is_not_there_is_an_input_error(self, split):
        dataset = datasets.load("digits", str(self.folder))
        for function in (dataset.num_examples, dataset.read):
            with self.assertRaises(errors.InputError) as caught:
                function(split)
            message = str(caught.exception)
            self.assertRegex(
                message, rf"^digits .* has no split {re.escape(split)}: "
            )
            self.assertNotIn("\n", message)

    def test_a_folder_below_a_file_is_an_input_error(self):
        (self.folder / "file").write_text("content")
        folder = self.folder / "file" / "below"
        with self.assertRaisesRegex(
            errors.InputError, f"cannot write to {folder}: "
        ):
            datasets.load("digits", str(folder))


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
        labels = datasets.labels("imagenet2012")
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
        labels = datasets.labels("imagenet2012")
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
        train = [
            (int(label), image.shape, round(float(image.mean())))
            for image, label in dataset.read("train").as_numpy_iterator()
        ]
        self.assertCountEqual(
            train,
            [
                (label, (20 + number, 30, 3), 10 * label)
                for label in range(3)
                for number in range(3 + label)
            ],
        )
        self.assertEqual(dataset.num_examples("train"), 12)
        test = dataset.read(dataset.source.test)
        # The ground truth of the first images as ILSVRC has it.
        self.assertCountEqual(
            [
                (int(label), round(float(image.mean())))
                for image, label in test.as_numpy_iterator()
            ],
            [(65, 10), (970, 20), (230, 30), (809, 40), (516, 50)],
        )

    def test_the_search_is_on_10000_images_withheld_from_training(self):
        source = datasets.source("imagenet2012")
        self.assertEqual(source.test, "validation")
        images = 1_281_167  # ImageNet's training images.
        template = tfds.core.ShardedFileTemplate(
            self.folder, dataset_name="imagenet2012", filetype_suffix="tfrecord"
        )
        info = tfds.core.SplitInfo(
            name="train",
            shard_lengths=[images],
            num_bytes=0,
            filename_template=template,
        )
        ranges = []
        for split in (source.train, source.validation):
            (found,) = tfds.core.ReadInstruction.from_spec(split).to_absolute(
                {"train": info}
            )
            self.assertEqual(found.splitname, "train")
            ranges.append(range(found.from_ or 0, found.to or images))
        train, validation = ranges
        self.assertLen(validation, 10_000)
        self.assertLen(train, images - 10_000)
        self.assertEmpty(set(train) & set(validation))

    def test_its_splits_share_no_image(self):
        self._write_archives()
        source = dataclasses.replace(
            datasets.source("imagenet2012"),
            train="train[4:]",
            validation="train[:4]",
        )
        with mock.patch.dict(datasets.SOURCES, imagenet2012=source):
            dataset = datasets.load("imagenet2012", str(self.folder))
        train, validation, whole = (
            [
                (image.shape, int(label))
                for image, label in dataset.read(split).as_numpy_iterator()
            ]
            for split in (source.train, source.validation, "train")
        )
        self.assertEqual(dataset.num_examples(source.validation), 4)
        self.assertEqual(dataset.num_examples(source.train), 8)
        self.assertEqual(validation + train, whole)
        self.assertLen(set(whole), 12)  # No two alike.

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
        self.assertLen(dataset.read(dataset.source.test), 5)
        for split in (dataset.source.train, dataset.source.validation):
            with self.assertRaisesRegex(
                errors.InputError, r"^imagenet2012 .* has no split train\[.*"
            ):
                dataset.read(split)

    @parameterized.parameters(TRAIN_TAR, VALIDATION_TAR)
    def test_a_file_that_is_no_archive_is_an_input_error(self, name):
        self._write_archives()
        (self.manual / name).write_bytes(b"content" * 1000)
        self.assertIn("imagenet2012", self._message())


if __name__ == "__main__":
    absltest.main()
