"""TensorBoard logs can be read back, or the failure is told."""

import pathlib

import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands
from tf_autoformer import errors
from tf_autoformer.experiment import tensorboard


class OpenWriterTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "log"

    def test_what_is_written_can_be_read_back(self):
        with tensorboard.open_writer(self.folder).as_default(7):
            tf.summary.scalar("x", 0.5)

        (event,) = commands.events(self.folder)["x"]
        self.assertEqual(event.step, 7)
        self.assertEqual(tf.make_ndarray(event.tensor_proto), 0.5)

    def test_a_folder_that_cannot_be_written_is_told_in_one_line(self):
        self.folder.write_text("a file")

        with self.assertRaises(errors.InputError) as caught:
            tensorboard.open_writer(self.folder)

        self.assertRegex(str(caught.exception), "^cannot write to .*log: ")
        self.assertNotIn("\n", str(caught.exception))


class SecondsTest(absltest.TestCase):
    def test_the_time_between_two_runs_does_not_count(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.assertEqual(tensorboard.seconds(folder / "missing"), 0)
        for run, times in enumerate([(100, 103, 110), (500, 501), ()]):
            path = folder / f"events.out.tfevents.{run}.v2"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for time in times:
                    event = tf.compat.v1.Event(wall_time=time)
                    writer.write(event.SerializeToString())

        self.assertEqual(tensorboard.seconds(folder), 10 + 1)

        # It was killed while it wrote its last event.
        path = folder / "events.out.tfevents.0.v2"
        path.write_bytes(path.read_bytes()[:-3])
        self.assertEqual(tensorboard.seconds(folder), 3 + 1)


if __name__ == "__main__":
    absltest.main()
