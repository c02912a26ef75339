"""What is written for TensorBoard, read back from its files."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer.training import step, summaries


class SummariesTest(absltest.TestCase):
    def test_scalars_and_the_grid_of_images_can_be_read_back(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        images = np.random.RandomState(0).randn(10, 8, 8, 3)
        board = summaries.Summaries(folder)

        board.metrics(7, step.StepMetrics(1.5, 2.5, 0.25), speed=99.0)
        board.accuracies(7, {"smallest": 0.5})
        board.images(7, tf.constant(images, tf.float32))
        board.flush()

        found = {}
        (file,) = (folder / "tensorboard" / "train").iterdir()
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                self.assertEqual(event.step, 7)
                found[value.tag] = tf.make_ndarray(value.tensor)
        scalars = {k: float(v) for k, v in found.items() if v.ndim == 0}
        self.assertEqual(
            scalars,
            {
                "training/loss": 1.5,
                "training/gradient_norm": 2.5,
                "training/learning_rate": 0.25,
                "training/images_per_second": 99.0,
                "validation_accuracy/smallest": 0.5,
            },
        )
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


if __name__ == "__main__":
    absltest.main()
