"""Naming, preparing and splitting the data sets of tensorflow-datasets."""

import collections
import io
import os
import pathlib
import tarfile
from collections.abc import Mapping
from unittest import mock

import numpy as np
import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tests.data import fakes
from tf_autoformer import errors
from tf_autoformer.data import datasets, records

TRAIN_TAR = "ILSVRC2012_img_train.tar"
VALIDATION_TAR = "ILSVRC2012_img_val.tar"


class DatasetsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def assert_refused(self, message: str, name: str):
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            datasets.load(name, str(self.folder))
        self.assertNotIn("\n", str(caught.exception))

    def set_labels(self, **labels):
        self.enter_context(
            mock.patch.object(fakes.FakeImages, "labels", labels)
        )

    def load(self) -> dict[str, list[tuple[int, int]]]:
        """Split -> number and label of its images."""
        dataset = datasets.load("fake_images", str(self.folder))
        splits = {}
        for split in ("train", "validation", "test"):
            examples = dataset.read(split)
            splits[split] = [
                (fakes.number_of(image), int(label))
                for image, label in examples.as_numpy_iterator()
            ]
            # Told without reading.
            size = dataset.num_examples(split)
            self.assertLen(splits[split], size)
            self.assertLen(examples, size)
        return splits


class NamesTest(DatasetsTest):
    def test_an_unknown_name_is_refused_with_those_that_exist(self):
        message = "dataset is 'nope'; it must be one of digits, imagenet2012"
        for function in (datasets.source, datasets.load):
            with self.assertRaisesRegex(errors.InputError, message):
                function("nope")

    @parameterized.parameters(
        # How many, the first and the last, as TFDS's metadata have them.
        ("digits", 10, "0", "9"),
        ("imagenet2012", 1000, "n01440764", "n15075141"),
        ("cifar10", 10, "0", "9"),  # Names come with the images.
        ("cifar100", 100, "0", "99"),
        ("oxford_flowers102", 102, "pink primrose", "blackberry lily"),
        (
            "cars196",
            196,
            "AM General Hummer SUV 2000",
            "smart fortwo Convertible 2012",
        ),
        ("oxford_iiit_pet", 37, "Abyssinian", "yorkshire_terrier"),
        (
            "i_naturalist2018",
            8142,
            "Hermodice carunculata",
            "Brefeldia maxima",
        ),
        ("food101:2.0.0", 101, "apple_pie", "waffles"),
        ("emnist/letters", 37, "0", "36"),
    )
    def test_classes(self, name, classes, first, last):
        source = datasets.source(name)
        self.assertEqual(source.num_classes, classes)
        self.assertEqual(source.labels[0], first)
        self.assertEqual(source.labels[-1], last)
        self.assertLen(set(source.labels), classes)

    def test_all_names_are_known(self):
        for name in datasets.NAMES:
            self.assertGreater(datasets.source(name).num_classes, 9)

    @parameterized.parameters(
        ("digits", 0.305, None),
        ("cifar10", 0.485, None),
        ("cifar100", 0.485, None),
        ("mnist", 0.485, None),
        ("imagenet2012", 0.485, 0.875),
        ("oxford_flowers102", 0.485, 0.875),
        ("i_naturalist2018", 0.485, 0.875),
    )
    def test_normalization_and_crop(self, name, mean, crop):
        source = datasets.source(name)
        self.assertEqual(source.mean[0], mean)
        self.assertEqual(source.crop, crop)
        self.assertLen(source.mean, 3)
        self.assertLen(source.std, 3)

    @parameterized.parameters("coco/2017", "celeb_a", "glue", "ag_news_subset")
    def test_a_data_set_of_something_else_is_refused(self, name):
        self.assert_refused(
            f"^dataset is '{name}'; it must have the features image, .* has ",
            name,
        )

    @parameterized.parameters(
        "cifar10:9.9.9", "eurosat/nope", "../x", "", "a b"
    )
    def test_what_tfds_cannot_open_is_refused(self, name):
        self.assert_refused(
            f"^dataset is '{name}', which tensorflow-datasets cannot open in "
            f"{self.folder}: .*",
            name,
        )


class PrepareTest(DatasetsTest):
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

    def test_a_folder_below_a_file_is_an_input_error(self):
        (self.folder / "file").write_text("content")
        folder = self.folder / "file" / "below"
        with self.assertRaisesRegex(
            errors.InputError, f"cannot write to {folder}: "
        ):
            datasets.load("digits", str(folder))

    @parameterized.parameters(
        (requests.exceptions.ConnectionError("no route\nto host"), "no route"),
        (KeyError("row"), "'row'"),
        (NotImplementedError(), r"NotImplementedError\(\)"),
    )
    def test_whatever_fails_is_told_in_a_line(self, error, reason):
        with mock.patch.object(
            tfds.download.DownloadManager,
            "download_and_extract",
            side_effect=error,
        ):
            self.assert_refused(f"^cannot prepare cifar10: {reason}", "cifar10")

    def test_prepared_data_are_read_where_nothing_can_be_written(self):
        self.set_labels(train=[0, 1, 2] * 10, test=[0, 1, 2])
        self.load()
        with (
            mock.patch.object(os, "makedirs", side_effect=PermissionError),
            mock.patch.object(
                tf.io.gfile,
                "makedirs",
                side_effect=tf.errors.PermissionDeniedError(None, None, "no"),
            ),
        ):
            self.load()

    def test_a_bucket_is_left_to_tfds(self):
        made = []

        def builder(name: str, data_dir: str):
            made.append(data_dir)
            return fakes.FakeImages(data_dir=self.folder)

        self.set_labels(train=[0, 1, 2] * 10, test=[0, 1, 2])
        self.enter_context(mock.patch.object(tfds, "builder", builder))
        make = os.makedirs

        def make_local(path: str, *rest, **named):
            self.assertNotIn("gs:", str(path))
            make(path, *rest, **named)

        self.enter_context(mock.patch.object(os, "makedirs", make_local))
        dataset = datasets.load("fake_images", "gs://bucket/~folder")
        self.assertEqual(dataset.num_examples("test"), 3)
        self.assertEqual(set(made), {"gs://bucket/~folder"})
        self.assertFalse(pathlib.Path("gs:").exists())


class SplitsTest(DatasetsTest):
    LABELS = np.random.default_rng(1).choice(3, 400, p=[0.6, 0.3, 0.1])

    def assert_withheld(self, images, withheld, rest):
        """A tenth, to one, of each class, and the first in the order."""
        self.assertEmpty(set(withheld) & set(rest))
        self.assertCountEqual([*withheld, *rest], images)
        self.assertLen(withheld, round(len(images) / 10))
        for label in range(3):
            of_class = [image for image in images if image[1] == label]
            found = [image for image in withheld if image[1] == label]
            self.assertAlmostEqual(len(found), len(of_class) / 10, delta=1)
            self.assertEqual(found, of_class[: len(found)])

    def stored(self, split: str) -> list[tuple[int, int]]:
        """Number and label of the images as TFDS reads them."""
        builder = fakes.FakeImages(data_dir=self.folder)
        return [
            (
                int(example["image"][0, 0, 0]) * 256
                + int(example["image"][0, 0, 1]),
                int(example["label"]),
            )
            for example in builder.as_dataset(split=split).as_numpy_iterator()
        ]

    def test_a_tenth_of_each_class_is_withheld_from_training(self):
        self.set_labels(train=self.LABELS, test=[2, 1, 0])
        splits = self.load()
        images = self.stored("train")
        self.assert_withheld(images, splits["validation"], splits["train"])
        self.assertCountEqual(splits["test"], [(0, 2), (1, 1), (2, 0)])

    def test_the_same_are_withheld_the_next_time(self):
        self.set_labels(train=self.LABELS, test=[2, 1, 0])
        first = self.load()
        self.assertEqual(self.load(), first)
        for path in self.folder.rglob("labels-*.npy"):
            path.unlink()
        self.assertEqual(self.load(), first)
        self.folder = self.folder / "other"
        self.assertEqual(self.load(), first)

    @parameterized.parameters(
        {"labels": {}},
        # Labels that are not public.
        {"labels": {"test": [-1] * 50}},
        {"labels": {"test": [-1] * 50, "validation": [-1] * 20}},
    )
    def test_a_test_split_is_withheld_where_there_is_none(self, labels):
        self.set_labels(train=self.LABELS, **labels)
        splits = self.load()
        images = self.stored("train")
        rest = [image for image in images if image not in splits["test"]]
        self.assert_withheld(images, splits["test"], rest)
        self.assert_withheld(rest, splits["validation"], splits["train"])

    @parameterized.parameters({}, {"test": [-1] * 50})
    def test_validation_images_are_the_test_split_if_there_is_no_other(
        self, **more
    ):
        self.set_labels(train=self.LABELS, validation=self.LABELS[:50], **more)
        splits = self.load()
        self.assertEqual(splits["test"], self.stored("validation"))
        images = self.stored("train")
        self.assert_withheld(images, splits["validation"], splits["train"])

    def test_beside_a_test_split_validation_images_are_trained_on(self):
        self.set_labels(
            train=self.LABELS[:200],
            validation=self.LABELS[200:],
            test=self.LABELS[:20],
        )
        splits = self.load()
        training = collections.Counter(splits["train"] + splits["validation"])
        self.assertEqual(
            training,
            collections.Counter(
                self.stored("train") + self.stored("validation")
            ),
        )
        self.assertLen(splits["validation"], 40)

    def test_of_the_withheld_split_nothing_is_read_beyond_its_last_image(self):
        self.set_labels(train=self.LABELS, test=[0])
        self.load()
        dataset = datasets.load("fake_images", str(self.folder))
        taken = []
        take = tf.data.Dataset.take

        def counted(examples, count):
            taken.append(count)
            return take(examples, count)

        with mock.patch.object(tf.data.Dataset, "take", counted):
            found = list(dataset.read("validation"))
        images = self.stored("train")
        last = (fakes.number_of(found[-1][0].numpy()), int(found[-1][1]))
        self.assertEqual(taken, [images.index(last) + 1])
        self.assertLess(taken[0], 150)

    @parameterized.parameters(
        ({"test": [0]}, "fake_images .* has no split train; it has test"),
        ({"train": []}, "^cannot prepare fake_images: .* No examples"),
        (
            {"train": [0, 0, 1, 1, 2], "test": [0]},
            "fake_images: class 'owl' has 1 training images; .* least 2",
        ),
        (
            {"train": [0, 0, 0, 1, 1, 2, 2, 2]},
            "fake_images: class 'dog' has 2 training images; .* least 3",
        ),
        (
            {"train": [0, 1, 2, -1] * 5, "test": [0]},
            r"fake_images, split train: image \d+ has label -1; .* 0 to 2",
        ),
        (
            {"train": [0, 1, 2] * 5, "test": [0, -1]},
            r"fake_images, split test: image \d+ has label -1; .* 0 to 2",
        ),
    )
    def test_data_that_cannot_be_split_are_an_input_error(
        self, labels, message
    ):
        self.set_labels(**labels)
        with self.assertRaisesRegex(errors.InputError, message):
            datasets.load("fake_images", str(self.folder)).num_examples("train")


class CifarTest(DatasetsTest):
    NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog")
    NAMES += ("horse", "ship", "truck")

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


class ImagenetTest(DatasetsTest):
    def setUp(self):
        super().setUp()
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
