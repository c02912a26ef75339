"""What is written for TensorBoard, read back from its files."""

import dataclasses
import pathlib
import time

import numpy as np
import tensorflow as tf
from absl.testing import absltest
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.helpers import commands, tiny, trainings
from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.training import summaries


class SummariesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.log = self.folder / "log"

    def _values(self, board: summaries.Summaries) -> list:
        """(step, summary) of all that was written."""
        board.flush()
        (file,) = self.log.iterdir()
        events = [
            tf.compat.v1.Event.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(file))
        ]
        return [(e.step, value) for e in events for value in e.summary.value]

    def _arrays(self, board: summaries.Summaries, step: int) -> dict:
        """Tag -> what was written, all of it at this step."""
        values = self._values(board)
        self.assertEqual({found for found, _ in values}, {step})
        tags = [value.tag for _, value in values]
        self.assertLen(set(tags), len(tags))
        return {v.tag: tf.make_ndarray(v.tensor) for _, v in values}

    def test_scalars_can_be_read_back(self):
        board = summaries.Summaries(self.log)

        board.scalars(7, {"training/loss": 1.5, "loss_by_depth/3": 0.25})

        self.assertEqual(
            self._arrays(board, 7),
            {"training/loss": 1.5, "loss_by_depth/3": 0.25},
        )

    def test_a_run_shows_each_step_once_however_often_it_was_lost(self):
        # Each run but the last is lost after some steps: with a checkpoint of
        # step 2, then with no further one.
        for run, (start, end) in enumerate([(0, 4), (2, 5), (2, 6)]):
            time.sleep(
                1.1 if run else 0
            )  # Files are read by the second of their names.
            board = summaries.Summaries(self.log)
            board.begin(start + 1)
            board.images(start + 1, tf.zeros([4, 8, 8, 3]) + run)
            for step in range(start + 1, end + 1):
                board.scalars(step, {"loss": 10 * run + step})
            board.flush()

        events = commands.events(self.log)

        self.assertEqual(
            [
                (event.step, float(tf.make_ndarray(event.tensor_proto)))
                for event in events["loss"]
            ],
            [(1, 1), (2, 2), (3, 23), (4, 24), (5, 25), (6, 26)],
        )
        shown = [event.step for event in events["augmented_images"]]
        self.assertEqual(shown, [1, 3])

    def test_the_grid_of_images_can_be_read_back(self):
        images = np.random.RandomState(0).randn(10, 8, 8, 3)
        board = summaries.Summaries(self.log)

        board.images(7, tf.constant(images, tf.float32))

        found = self._arrays(board, 7)
        width, height, png = found["augmented_images"]
        self.assertEqual((int(width), int(height)), (300, 300))
        grid = tf.io.decode_png(png).numpy() / 255
        scaled = (images - images[:10].min()) / np.ptp(images)
        # Three rows of three, each pixel 10 wide, framed by one pixel.
        for tile in range(9):
            row, column = divmod(tile, 3)
            top, left = 100 * row + 10, 100 * column + 10
            pixels = grid[top + 5 : top + 80 : 10, left + 5 : left + 80 : 10]
            np.testing.assert_allclose(pixels, scaled[tile], atol=0.01)
            np.testing.assert_allclose(grid[100 * row], 0.5, atol=0.01)

    def test_every_weight_has_a_histogram_of_its_own(self):
        supernet = trainings.Training().state.supernet
        board = summaries.Summaries(self.log)

        board.histograms(7, supernet)

        found = self._arrays(board, 7)
        self.assertLen(found, len(supernet.trainable_variables))
        for name, weight, variable in (
            ("head", "kernel", supernet.head.kernel),
            (
                "block_1.attention",
                "qkv_kernel",
                supernet.blocks[1].layers["attention"].qkv_kernel,
            ),
        ):
            values = variable.numpy()
            buckets = found[
                f"{name}/{weight}"
            ]  # [bucket, (left, right, count)]
            self.assertEqual(buckets[:, 2].sum(), values.size)
            np.testing.assert_allclose(
                [buckets[0, 0], buckets[-1, 1]], [values.min(), values.max()]
            )
            edges = [*buckets[:, 0], buckets[-1, 1]]
            counts, _ = np.histogram(values.astype(np.float64), edges)
            self.assertLessEqual(np.abs(counts - buckets[:, 2]).max(), 1)

    def test_the_recipe_can_be_read_back_as_hparams(self):
        recipe = training_config.TrainingConfig(
            epochs=30, method="bignas", ema_decay=0.5, teacher="some/folder"
        )
        augmentation = dataclasses.replace(data_config.NONE, mixup=0.75)
        board = summaries.Summaries(self.log)

        board.hparams(
            experiment.Experiment(
                "digits",
                dataclasses.replace(tiny.MODEL, drop_path=0.125),
                tiny.SPACE,
                recipe,
                augmentation,
            )
        )

        found = {}
        for _, value in self._values(board):
            data = plugin_data_pb2.HParamsPluginData.FromString(
                value.metadata.plugin_data.content
            )
            for name, held in data.session_start_info.hparams.items():
                found[name] = getattr(held, held.WhichOneof("kind"))
        self.assertEqual(
            found,
            {
                "dataset": "digits",
                "drop_path": 0.125,
                **dataclasses.asdict(recipe),
                **dataclasses.asdict(augmentation),
            },
        )

    def test_what_must_not_write_writes_nothing(self):
        board = summaries.Summaries(self.log, writes=False)

        board.begin(1)
        board.scalars(1, {"x": 1.0})
        board.histograms(1, trainings.Training().state.supernet)
        board.images(1, tf.zeros([4, 8, 8, 3]))
        board.hparams(tiny.experiment())
        board.flush()

        self.assertEmpty(list(self.folder.iterdir()))

    def test_a_folder_that_cannot_be_written_is_named(self):
        self.log.write_text("a file")

        with self.assertRaisesRegex(errors.InputError, "cannot write to .*log"):
            summaries.Summaries(self.log).flush()


if __name__ == "__main__":
    absltest.main()
