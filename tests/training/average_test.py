"""The moving average: a recursion in the boxes, nothing outside."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny, trainings
from tf_autoformer.training import average

DECAY = 0.8
SPACE = tiny.SPACE


class EntangledAverageTest(absltest.TestCase):
    def test_is_the_recursion_in_the_boxes_and_elsewhere_keeps_its_bits(self):
        training = trainings.Training(ema_decay=DECAY)
        wanted = training.weights()
        for found, start in zip(training.averages(), wanted, strict=True):
            np.testing.assert_array_equal(found, start)

        steps = [(SPACE.largest,), (SPACE.smallest,), *trainings.draw(3)]
        for (path,) in steps:
            before = training.averages()
            training.run([(path,)])

            for found, was, weight, mean, box in zip(
                training.averages(),
                before,
                training.weights(),
                wanted,
                training.boxes(path),
                strict=True,
            ):
                mean[box] = DECAY * mean[box] + (1 - DECAY) * weight[box]
                np.testing.assert_allclose(found, mean, atol=1e-6)
                changed = found.view(np.int32) != was.view(np.int32)
                changed[box] = False
                self.assertFalse(changed.any())

        self.assertIn(1, [path.depth for (path,) in steps])
        apart = [
            np.abs(found - weight).max()
            for found, weight in zip(
                training.averages(), training.weights(), strict=True
            )
        ]
        self.assertGreater(max(apart), 1e-4)

    def test_one_trace_serves_weights_of_every_shape(self):
        training = trainings.Training(space=tiny.SMALL_SPACE, ema_decay=DECAY)
        training.run(trainings.draw(2, space=tiny.SMALL_SPACE))

        traces = training.state.average._update.experimental_get_tracing_count()
        self.assertEqual(traces, 1)

    def test_start_copies_the_weights_on_every_replica(self):
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        with strategy.scope():
            weight, mean = tf.Variable([1.0, 2.0]), tf.Variable([0.0, 0.0])

        average.EntangledAverage([weight], [mean], DECAY).start()

        for copy in mean.values:
            np.testing.assert_array_equal(copy, [1, 2])


if __name__ == "__main__":
    absltest.main()
