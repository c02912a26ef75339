"""Naming and preparing data sets."""

import os
import pathlib
from unittest import mock

import numpy as np
import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tests.helpers import fakes
from tf_autoformer import errors
from tf_autoformer.data.sources import datasets, names


class DatasetsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def assert_refused(self, message: str, name: str):
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            datasets.load(name, str(self.folder))
        self.assertNotIn("\n", str(caught.exception))


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
        for name in names.NAMES:
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
        (np.uint8, 4, False), (np.uint16, 3, False), (np.float32, 1, True)
    )
    def test_only_images_of_whole_numbers_are_taken(
        self, dtype, channels, is_refused
    ):
        with mock.patch.multiple(
            fakes.FakeImages, dtype=dtype, shape=(None, None, channels)
        ):
            if is_refused:
                self.assert_refused("image, of 8 or 16 bits", "fake_images")
            else:
                datasets.source("fake_images", str(self.folder))

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
    def set_labels(self):
        labels = {"train": [0, 1, 2] * 10, "test": [0, 1, 2]}
        self.enter_context(
            mock.patch.object(fakes.FakeImages, "labels", labels)
        )

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
        self.set_labels()
        datasets.load("fake_images", str(self.folder))
        with (
            mock.patch.object(os, "makedirs", side_effect=PermissionError),
            mock.patch.object(
                tf.io.gfile,
                "makedirs",
                side_effect=tf.errors.PermissionDeniedError(None, None, "no"),
            ),
        ):
            dataset = datasets.load("fake_images", str(self.folder))
            self.assertLen(list(dataset.read("validation")), 3)

    def test_the_limit_of_pixels_is_the_data_sets(self):
        self.set_labels()
        dataset = datasets.load("fake_images", str(self.folder), 9)
        self.assertEqual(dataset.max_pixels, 9)

    def test_a_bucket_is_left_to_tfds(self):
        made = []

        def builder(name: str, data_dir: str):
            made.append(data_dir)
            return fakes.FakeImages(data_dir=self.folder)

        self.set_labels()
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


if __name__ == "__main__":
    absltest.main()
