"""The order of a prepared data set's examples, and its labels."""

import pathlib
import stat
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tests.helpers import fakes
from tf_autoformer import errors, progress
from tf_autoformer.data.sources import records

LABELS = np.random.default_rng(0).integers(0, 3, 500)


def _numbers(builder: tfds.core.DatasetBuilder, split: str) -> list[int]:
    return [
        fakes.number_of(image)
        for image, _ in records.examples(builder, split).as_numpy_iterator()
    ]


class RecordsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def prepare(self, in_order: bool = False) -> tfds.core.DatasetBuilder:
        splits = {"train": LABELS, "validation": LABELS[:100]}
        self.enter_context(
            mock.patch.multiple(
                fakes.FakeImages, labels=splits, in_order=in_order
            )
        )
        builder = fakes.FakeImages(data_dir=self.folder)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(num_shards=20)
        )
        self.kept = [
            f"{builder.data_dir}/labels-{split}-16x16.npy"
            for split in ("train", "train+validation")
        ]
        return builder

    @parameterized.product(
        in_order=[False, True], split=["train", "train+validation"]
    )
    def test_the_labels_are_the_examples(self, in_order, split):
        builder = self.prepare(in_order)
        self.assertEqual(builder.info.splits["train"].num_shards, 20)
        found = records.labels(builder, split)
        numbers = _numbers(builder, split)
        np.testing.assert_array_equal(found, LABELS[numbers])
        np.testing.assert_array_equal(
            found,
            [label for _, label in records.examples(builder, split)],
        )
        expected = [*range(500), *(range(100) if "+" in split else [])]
        self.assertCountEqual(numbers, expected)
        if in_order and split == "train":
            self.assertEqual(numbers, expected)

    def test_the_order_does_not_follow_what_tfds_does_by_default(self):
        builder = self.prepare()
        expected = _numbers(builder, "train")
        plain = tfds.ReadConfig

        def changed(**given):
            defaults = {
                "interleave_cycle_length": 2,
                "interleave_block_length": 3,
            }
            return plain(**(defaults | given))

        with mock.patch.object(tfds, "ReadConfig", changed):
            self.assertEqual(_numbers(builder, "train"), expected)

    def test_labels_are_read_once(self):
        builder = self.prepare()
        found = records.labels(builder, "train")
        with mock.patch.object(
            type(builder), "as_dataset", side_effect=AssertionError
        ):
            again = records.labels(builder, "train")
        np.testing.assert_array_equal(again, found)
        self.assertEqual(again.dtype, np.int64)
        self.assertTrue(pathlib.Path(self.kept[0]).exists())
        # Each split's are its own.
        self.assertLen(records.labels(builder, "train+validation"), 600)

    @parameterized.parameters(b"", b"content", None)
    def test_a_damaged_file_of_labels_is_made_again(self, content):
        builder = self.prepare()
        expected = records.labels(builder, "train")
        path = pathlib.Path(self.kept[0])
        if content is None:  # Of other data.
            np.save(path, expected[1:])
        else:
            path.write_bytes(content)
        np.testing.assert_array_equal(
            records.labels(builder, "train"), expected
        )
        np.testing.assert_array_equal(np.load(path), expected)

    def test_where_nothing_can_be_written_labels_are_read_each_time(self):
        builder = self.prepare()
        with mock.patch.object(
            tf.io.gfile,
            "makedirs",
            side_effect=tf.errors.PermissionDeniedError(None, None, "no"),
        ):
            first = records.labels(builder, "train")
        self.assertFalse(pathlib.Path(self.kept[0]).exists())
        np.testing.assert_array_equal(records.labels(builder, "train"), first)

    def test_a_long_pass_tells_its_progress(self):
        builder = self.prepare()
        with (
            mock.patch.object(progress, "_REPORT_SECONDS", -1),
            mock.patch.object(records, "_BATCH", 300),
            self.assertLogs(records.__name__) as caught,
        ):
            records.labels(builder, "train")
        self.assertRegex(
            " | ".join(record.getMessage() for record in caught.records),
            r"^labels of fake_images, read once: 300 of 500  \d+/s  ETA 0:.* \|"
            r" labels of fake_images, read once: 500 of 500  \d+/s  ETA 0:",
        )

    def test_damaged_data_are_an_input_error(self):
        builder = self.prepare()
        path = next(pathlib.Path(builder.data_dir).glob("*train*00007-of*"))
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
        path.write_bytes(path.read_bytes()[:-10])
        with self.assertRaisesRegex(
            errors.InputError, "cannot read split train of fake_images in .*: "
        ):
            records.labels(builder, "train")

    @parameterized.parameters(
        ([0, 2, -1, 3], "^name, split test: image 2 has label -1; .* 0 to 2$"),
        ([0, 3], "^name, split test: image 1 has label 3; .* from 0 to 2$"),
    )
    def test_a_label_of_no_class_is_named(self, labels, message):
        with self.assertRaisesRegex(errors.InputError, message):
            records.check_labels(np.array(labels), 3, "test", "name")
        records.check_labels(np.array([0, 2]), 3, "test", "name")


if __name__ == "__main__":
    absltest.main()
