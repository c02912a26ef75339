"""Accuracy and loss of a subnet, counted by hand from its logits."""

import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import devices, tiny
from tf_autoformer import errors, progress
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import standalone
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost
from tf_autoformer.supernet import subnet as subnet_lib

MODEL = tiny.DIGITS_MODEL
SUBNET = architecture_lib.Architecture(8, 2, (2, 1), (1.0, 2.0))
BATCH_SIZE = 100  # The last of the splits' batches has fewer.

devices.prepare()


def _by_hand(
    subnet: tf.keras.Model, dataset: datasets.Dataset, split: str
) -> tuple[float, float, float]:
    """Top-1, top-5 and the mean cross-entropy."""
    encoded, labels = zip(*dataset.read(split).as_numpy_iterator(), strict=True)
    pixels = [tf.io.decode_png(image).numpy() for image in encoded]
    images = np.repeat((np.stack(pixels) / 255 - 0.305) / 0.376, 3, axis=-1)
    logits = np.float64(subnet(np.float32(images)))
    labels = np.array(labels)
    right = logits[np.arange(len(labels)), labels]
    # How many classes are likelier than the right one.
    rank = np.count_nonzero(logits > right[:, None], axis=1)
    loss = np.log(np.exp(logits).sum(axis=1)) - right
    return np.mean(rank == 0), np.mean(rank < 5), loss.mean()


class SubnetEvaluationTest(tiny.WorkdirTest):
    def _lines(self, **task) -> list[str]:
        return list(
            standalone.lines(
                self.workdir,
                standalone.Task(
                    **{
                        "architecture": SUBNET,
                        "batch_size": BATCH_SIZE,
                        "data_dir": self.data_dir,
                    }
                    | task
                ),
            )
        )

    def test_figures_are_those_counted_by_hand(self):
        subnet = subnet_lib.inherit(self.supernet, SUBNET)
        found = standalone.evaluate(
            subnet, self.dataset, "validation", BATCH_SIZE
        )
        top_1, top_5, loss = _by_hand(subnet, self.dataset, "validation")
        self.assertAlmostEqual(found.top_1, top_1, delta=1e-6)
        self.assertAlmostEqual(found.top_5, top_5, delta=1e-6)
        self.assertAlmostEqual(found.loss, loss, delta=1e-4)
        self.assertGreater(found.images_per_second, 0)
        # Each figure says something of its own.
        self.assertBetween(top_1, 0.01, top_5 - 0.1)
        self.assertLess(top_5, 0.9)

    def test_a_long_evaluation_tells_its_progress(self):
        subnet = subnet_lib.inherit(self.supernet, SUBNET)
        with (
            mock.patch.object(progress, "_REPORT_SECONDS", -1),
            self.assertLogs(standalone.__name__) as caught,
        ):
            standalone.evaluate(subnet, self.dataset, "validation", BATCH_SIZE)
        messages = [record.getMessage() for record in caught.records]
        self.assertLen(messages, 3)
        for done, message in zip((100, 200, 288), messages, strict=True):
            self.assertRegex(
                message,
                rf"^{done} of 288 images  [\d.,]+ images/s  ETA \d:\d\d:\d\d$",
            )

    def test_lines_are_the_figures_of_the_folders_subnet(self):
        subnet = subnet_lib.inherit(self.supernet, SUBNET)
        top_1, top_5, loss = _by_hand(subnet, self.dataset, "test")
        first, *rest, speed = self._lines()
        params, macs = cost.params(MODEL, SUBNET), cost.macs(MODEL, SUBNET)
        self.assertEqual(
            first,
            "digits, test split: 360 images at 8x8; "
            f"{params:,} params, {macs:,} MACs",
        )
        self.assertEqual(
            rest,
            [
                f"top-1     {top_1:.2%}",
                f"top-5     {top_5:.2%}",
                f"loss      {loss:.4f}",
            ],
        )
        self.assertRegex(speed, r"^images/s  [\d,]+$")

    def test_another_split_and_image_size(self):
        first, top_1, top_5, loss, _ = self._lines(
            split="validation", image_size=(16, 12)
        )
        larger = dataclasses.replace(MODEL, image_size=(16, 12))
        self.assertEqual(
            first,
            "digits, validation split: 288 images at 16x12; "
            f"{cost.params(larger, SUBNET):,} params, "
            f"{cost.macs(larger, SUBNET):,} MACs",
        )
        figures = standalone.evaluate(
            subnet_lib.inherit(self.supernet, SUBNET, (16, 12)),
            self.dataset,
            "validation",
            BATCH_SIZE,
        )
        self.assertEqual(top_1, f"top-1     {figures.top_1:.2%}")
        self.assertEqual(top_5, f"top-5     {figures.top_5:.2%}")
        self.assertEqual(loss, f"loss      {figures.loss:.4f}")

    def test_a_folder_of_as_many_classes_without_its_large_images(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        encoded, _ = next(iter(self.dataset.read("test")))
        for name in "ABCDEFGHIJ":
            for part, size in (("train", 2), ("test", 3)):
                (folder / part / name).mkdir(parents=True)
                for number in range(size):
                    path = folder / part / name / f"{number}.png"
                    path.write_bytes(encoded.numpy())
        large = tf.io.encode_png(np.zeros([8, 9, 3], np.uint8)).numpy()
        (folder / "test" / "A" / "large.png").write_bytes(large)
        first, top_1, *_ = self._lines(
            dataset=f"folder:{folder}", max_pixels=64
        )
        self.assertStartsWith(
            first, f"folder:{folder}, test split: 30 images at 8x8; "
        )
        # All images are alike, and of each class a tenth.
        self.assertEqual(top_1, "top-1     10.00%")

    @parameterized.parameters(
        (
            {"dataset": "imagenet2012"},
            "dataset is 'imagenet2012' of 1000 classes; the supernet has 10",
        ),
        ({"dataset": "nope"}, "dataset is 'nope'; it must be one of digits"),
        (
            {"architecture": architecture_lib.Architecture(8, 1, (4,), (1.0,))},
            r"num_heads\[0\] is 4, outside the search space; it allows 1, 2, 3",
        ),
        ({"image_size": 10}, "image_size is 10; it must be a multiple"),
    )
    def test_what_does_not_fit_the_supernet_is_refused(self, task, message):
        with self.assertRaisesRegex(errors.InputError, message):
            self._lines(**task)


if __name__ == "__main__":
    absltest.main()
