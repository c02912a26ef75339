"""A supernet sees every data set with its own classes and pixels.

Its working folder knows the images by digest, and another place by them.
"""

import dataclasses
import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets, names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import data_record, known_data
from tf_autoformer.experiment import workdir as workdir_lib

CLASSES = ("ant", "bee", "cat")
LEVELS = {"ant": 40, "bee": 120, "cat": 200}  # Of all pixels of a class.
SIZE = (8, 8)


class KnownDataTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.data_dir = str(self.root / "data")
        self.images = self.root / "images"
        self.add("images/train", 20)
        self.add("images/test", 4)

    def add(self, folder: str, count: int, **levels: int) -> None:
        """Adds grey images to a folder, all of a class alike but in size."""
        for name, level in (levels or LEVELS).items():
            (self.root / folder / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = np.full([4 + number, 6, 3], level, np.uint8)
                (self.root / folder / name / f"{number}.png").write_bytes(
                    tf.io.encode_png(pixels).numpy()
                )

    def experiment(self, folder: str = "images"):
        return dataclasses.replace(
            tiny.experiment(),
            dataset=names.of_folder(str(self.root / folder)),
            model=dataclasses.replace(tiny.MODEL, num_classes=len(CLASSES)),
        )

    def open(self) -> workdir_lib.Workdir:
        """The folder as another command finds it."""
        return workdir_lib.Workdir(self.root / "run")

    def claim(self, folder: str = "images") -> None:
        """What training and search do."""
        experiment, workdir = self.experiment(folder), self.open()
        dataset = datasets.load(experiment.dataset, self.data_dir)
        if workdir.is_bound:
            dataset = known_data.seen(workdir, experiment.dataset, dataset)
        workdir.claim(experiment, dataset)

    def load(self, folder: str | None = None) -> datasets.Dataset:
        name = None
        if folder is not None:
            name = names.of_folder(str(self.root / folder))
        return known_data.load(self.open(), name, self.data_dir)


class ClassesTest(KnownDataTest):
    def learned(self, *labels: str) -> None:
        """Has the folder know these classes, in this order."""
        self.claim()
        workdir = self.open()
        known = workdir.data_record
        source = dataclasses.replace(known.source, labels=labels)
        workdir.record(dataclasses.replace(known, source=source))

    def pairs(self, dataset: datasets.Dataset) -> set[tuple[int, int]]:
        """(grey level, label) of the test images."""
        return {
            (round(float(image[0, 0, 0]) * 255), int(label))
            for image, label in pipeline.images(dataset, "test", SIZE)
        }

    def test_they_are_matched_by_name(self):
        self.learned("cat", "ant", "bee")
        wanted = {(LEVELS["cat"], 0), (LEVELS["ant"], 1), (LEVELS["bee"], 2)}
        self.assertEqual(self.pairs(self.load()), wanted)

        self.add("some/train", 4, bee=7, cat=9)
        self.add("some/test", 2, bee=7, cat=9)
        some = self.load("some")
        self.assertEqual(self.pairs(some), {(7, 2), (9, 0)})
        self.assertEqual(some.source.num_classes, 3)

    def test_targets_of_training_are_matched_too(self):
        self.learned("cat", "ant", "bee")
        batches = pipeline.training(
            self.load(), SIZE, 8, 0, tiny.experiment().augmentation
        )
        source = source_lib.Source(("cat", "ant", "bee"))
        for images, targets in batches.take(4):
            levels = images[:, 0, 0, 0] * source.std[0] + source.mean[0]
            for level, target in zip(levels, targets, strict=True):
                name = source.labels[int(np.argmax(target))]
                self.assertAlmostEqual(
                    float(level) * 255, LEVELS[name], delta=0.01
                )

    def test_a_class_that_is_unknown_is_refused_by_name(self):
        self.claim()
        for part in ("train", "test"):
            shutil.move(
                self.images / part / "ant", self.images / part / "wild ant"
            )
        with self.assertRaisesRegex(
            errors.InputError,
            "images: class 2, 'wild ant', is none of the supernet's 3 classes: "
            "'ant', 'bee', 'cat'$",
        ):
            self.load()
        # What is exported needs no image.
        self.assertEqual(known_data.source(self.open()).labels, CLASSES)
        shutil.rmtree(self.images)
        self.assertEqual(known_data.source(self.open()).labels, CLASSES)

    def test_pixels_are_those_of_the_supernets_source(self):
        self.claim()
        workdir = self.open()
        source = source_lib.Source(
            CLASSES, mean=(0.5, 0.25, 0.125), std=(0.5, 1, 2), crop=0.5
        )
        workdir.record(dataclasses.replace(workdir.data_record, source=source))
        self.assertEqual(self.load().source, source)

        ((images, _),) = pipeline.evaluation(self.load(), "test", SIZE, 99)
        levels = {
            round(float(level) * 255)
            for channel, mean, std in zip(
                (0, 1, 2), source.mean, source.std, strict=True
            )
            for level in images[:, 3, 3, channel] * std + mean
        }
        self.assertEqual(levels, set(LEVELS.values()))

    def test_names_that_were_not_known_before_are_taken(self):
        workdir = self.open()
        workdir.claim(self.experiment())  # As of converted weights.
        numbers = source_lib.Source(("0", "1", "2"), crop=None)
        workdir.record(data_record.DataRecord(numbers, {}))

        self.assertEqual(
            self.load().source, dataclasses.replace(numbers, labels=CLASSES)
        )
        self.claim()
        self.assertEqual(known_data.source(self.open()).labels, CLASSES)
        self.assertIsNone(known_data.source(self.open()).crop)
        self.add("other/train", 4)
        self.load("other")

    def test_names_that_only_prepared_data_tell_are_waited_for(self):
        self.claim()
        before = source_lib.Source(("0", "1", "2"))
        after = datasets.Dataset(
            source_lib.Source(("cat", "ant", "bee")), images=None
        )
        with (
            mock.patch.object(datasets, "source", return_value=before),
            mock.patch.object(datasets, "load", return_value=after),
        ):
            found = known_data.load(self.open(), "cifar10")
        self.assertEqual(found.source.labels, CLASSES)
        self.assertEqual(found.positions, (2, 0, 1))

    def test_without_names_they_are_counted(self):
        self.open().claim(self.experiment())  # As the first versions did.
        self.assertEqual(self.load().source.labels, CLASSES)
        self.assertEqual(known_data.source(self.open()).labels, CLASSES)
        self.add("other/train", 4, x=1, y=2)
        with self.assertRaisesRegex(
            errors.InputError, "of 2 classes; the supernet has 3"
        ):
            self.load("other")


class ImagesTest(KnownDataTest):
    def check_refused(self, message: str) -> None:
        before = self.open().data.read_text()
        with self.assertRaisesRegex(errors.InputError, message):
            self.claim()
        self.assertEqual(self.open().data.read_text(), before)

    def test_the_same_are_claimed_again_and_nothing_is_written(self):
        self.claim()
        before = self.open().data.stat()
        self.claim()
        after = self.open().data.stat()
        self.assertEqual(
            (after.st_ino, after.st_mtime_ns),
            (before.st_ino, before.st_mtime_ns),
        )
        self.assertEqual(
            {n: s["images"] for n, s in self.open().data_record.splits.items()},
            {"train": 54, "validation": 6, "test": 12},
        )

    @parameterized.parameters(
        ("test/bee/1.png", "the test split .* had 12 images, now it has 11"),
        ("train/bee/1.png", "the train split .* had 54 images, now .* 53"),
    )
    def test_one_that_is_gone_is_noticed(self, path, message):
        self.claim()
        (self.images / path).unlink()
        self.check_refused(rf"data\.json: {message}")

    def test_one_that_is_another_is_noticed(self):
        self.claim()
        path = self.images / "test" / "bee" / "1.png"
        path.write_bytes(path.with_name("2.png").read_bytes())
        self.check_refused("the test split .* had 12 images, now it has 12,")

    def test_splits_that_are_not_read_may_change(self):
        self.claim()
        (self.images / "train" / "bee" / "1.png").unlink()
        workdir, dataset = self.open(), self.load()
        workdir.require_data(dataset, "test")
        with self.assertRaisesRegex(errors.InputError, "the train split"):
            workdir.require_data(dataset, "test", "train")

    def test_a_folder_that_has_moved_takes_the_place_of_the_old(self):
        self.claim()
        shutil.move(self.images, self.root / "moved")
        with self.assertRaisesRegex(
            errors.InputError, "does not exist; if .* --image_folder names"
        ):
            self.load()

        self.claim("moved")

        self.assertEqual(self.open().experiment, self.experiment("moved"))
        self.assertEqual(self.load().num_examples("train"), 54)

    def test_another_folder_does_not(self):
        self.claim()
        self.add("other/train", 21)
        self.add("other/test", 4)
        with self.assertRaisesRegex(
            errors.InputError, "config.json was made with dataset 'folder:.*"
        ):
            self.claim("other")
        self.assertEqual(self.open().experiment, self.experiment())

    def test_weights_from_elsewhere_are_bound_by_the_first(self):
        workdir = self.open()
        workdir.claim(self.experiment())
        workdir.record(
            data_record.DataRecord(source_lib.Source(CLASSES, crop=0.5), {})
        )
        self.claim()
        record = self.open().data_record
        self.assertLen(record.splits, 3)
        self.assertEqual(record.source.crop, 0.5)

    def test_a_first_versions_folder_is_compared_with_what_it_knows(self):
        self.claim()
        workdir, dataset = self.open(), self.load()
        self.open().data.unlink()
        self.open().splits.write_text(
            f'{{"train": 54, "validation": 6, "validation_digest": '
            f'"{dataset.images.first_digest()}"}}'
        )
        self.claim()
        self.assertEqual(self.open().data_record, workdir.data_record)

        self.open().data.unlink()
        (self.images / "train" / "bee" / "1.png").unlink()
        with self.assertRaisesRegex(
            errors.InputError, "splits.json has .*; its images have changed"
        ):
            self.claim()
        self.assertFalse(self.open().data.exists())

    def test_a_damaged_record_is_named(self):
        self.claim()
        for text, message in (
            ("{", "data.json is not JSON"),
            ("[]", "data.json is not a record of this program"),
            (
                '{"version": 2, "source": {}, "splits": {}}',
                "version is 2; this program reads 1",
            ),
            (
                '{"version": 1, "source": {}, "splits": {"test": {}}}',
                "split test has the fields images, digest; ",
            ),
            (
                '{"version": 1, "source": {}, "splits": {"test": '
                '{"images": "3", "digest": "x"}}}',
                "images is '3', of the wrong type",
            ),
        ):
            self.open().data.write_text(text)
            with self.assertRaisesRegex(errors.InputError, message):
                _ = self.open().data_record


class LimitTest(KnownDataTest):
    def test_the_limit_of_pixels_is_the_folders_unless_another_is_said(self):
        experiment = dataclasses.replace(
            self.experiment(), max_image_pixels=100
        )
        self.open().claim(experiment)
        self.add("other/train", 20)
        other = names.of_folder(str(self.root / "other"))
        for name, given, limit in (
            (None, None, 100),
            (other, None, 100),
            (other, 60, 60),
        ):
            dataset = known_data.load(self.open(), name, self.data_dir, given)
            self.assertEqual(dataset.max_pixels, limit)
            # Heights are 4 to 23, and the width is 6.
            sizes = map(dataset.num_examples, ("train", "validation"))
            withheld = dataset.num_examples("test") if name else 0
            self.assertEqual(
                sum(sizes) + withheld, len(CLASSES) * (limit // 6 - 3)
            )


class PreparedTest(absltest.TestCase):
    def test_where_the_data_are_does_not_count(self):
        first, second = (
            datasets.load("digits", self.create_tempdir().full_path)
            for _ in range(2)
        )
        record = data_record.of(first)
        self.assertEqual(record, data_record.of(second))
        digests = {split["digest"] for split in record.splits.values()}
        self.assertLen(digests, 3)


if __name__ == "__main__":
    absltest.main()
