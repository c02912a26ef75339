"""The moving average: a recursion in the boxes, nothing outside."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings
from tf_autoformer.training import average

# The ramp reaches it at an element's fourth update.
DECAY = 0.2


def _kept(update: int, decay: float) -> float:
    """Share of the average that an element's update number 1, 2, … keeps."""
    ramp = [0, 1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17]
    return min(decay, ramp[update - 1])


class EntangledAverageTest(parameterized.TestCase):
    @parameterized.parameters(0.0, 0.3, 0.9999)
    def test_each_element_has_a_ramp_of_its_own_and_then_the_decay(self, decay):
        rng = np.random.default_rng(0)
        start = rng.normal(size=[4, 2, 3])
        weight = tf.Variable(start, dtype=tf.float32)
        mean = tf.Variable(tf.zeros_like(weight))
        taken = average.EntangledAverage([weight], [mean], decay)
        taken.start()
        history = {index: [] for index in np.ndindex(4, 2, 3)}

        for rows, columns in [(1, 3), (2, 1), (2, 2), (1, 1), (3, 2)] * 2:
            box = (slice(rows), slice(None), slice(columns))
            values = weight.numpy()
            values[box] = rng.normal(size=values[box].shape)
            weight.assign(values)
            if len(history[0, 0, 0]) < 9:
                taken.update([tf.constant(values[box].shape)], [weight])
                for index in np.ndindex(rows, 2, columns):
                    history[index].append(values[index])

        for index, values in history.items():
            wanted = start[index]
            for number, value in enumerate(values, 1):
                kept = _kept(number, decay)
                wanted = kept * wanted + (1 - kept) * value
            self.assertAlmostEqual(mean.numpy()[index], wanted, places=6)
            self.assertEqual(taken.updates[0].numpy()[index], len(values))
        self.assertEqual(history[3, 0, 0], [])
        self.assertLen(history[2, 0, 0], 1)

    def test_after_many_updates_it_is_the_ordinary_average(self):
        weight, mean = tf.Variable([0.0]), tf.Variable([0.0])
        taken = average.EntangledAverage([weight], [mean], 0.95)
        taken.count_as(9 * 19)  # The ramp has 0.95 = 171 / (171 + 9).
        for value in (1.0, 2.0):
            weight.assign([value])
            taken.update([tf.constant([1])], [weight])

        self.assertAlmostEqual(
            float(mean), 0.95 * 0.05 * 1 + 0.05 * 2, places=6
        )

    @parameterized.parameters((1, tiny.SPACE), (2, tiny.SMALL_SPACE))
    def test_is_the_recursion_in_the_boxes_and_elsewhere_keeps_its_bits(
        self, replicas, space
    ):
        training = trainings.Training(replicas, space, ema_decay=DECAY)
        wanted = training.weights()
        for found, start in zip(training.averages(), wanted, strict=True):
            np.testing.assert_array_equal(found, start)
        updates = [np.zeros(mean.shape, int) for mean in wanted]

        steps = [(space.smallest,), *trainings.draw(4, space=space)]
        for (path,) in steps:
            before = training.averages()
            training.run([(path,)])

            for found, was, weight, mean, counts, box in zip(
                training.averages(),
                before,
                training.weights(),
                wanted,
                updates,
                training.boxes(path),
                strict=True,
            ):
                counts[box] += 1
                kept = np.vectorize(_kept, [float])(counts[box], DECAY)
                mean[box] = kept * mean[box] + (1 - kept) * weight[box]
                np.testing.assert_allclose(found, mean, atol=1e-6)
                changed = found.view(np.int32) != was.view(np.int32)
                changed[box] = False
                self.assertFalse(changed.any())

        apart = [
            np.abs(found - weight).max()
            for found, weight in zip(
                training.averages(), training.weights(), strict=True
            )
        ]
        self.assertGreater(max(apart), 1e-5)
        self.assertGreater(len({c for each in updates for c in each.flat}), 2)
        copies = [
            training.state.averaged.trainable_variables,
            training.state.average.updates,
        ]
        for variable in tf.nest.flatten(copies):
            for copy in variable.values[1:]:
                np.testing.assert_array_equal(copy, variable.values[0])

    def test_one_trace_serves_weights_of_every_shape(self):
        training = trainings.Training(space=tiny.SMALL_SPACE, ema_decay=DECAY)
        training.run(trainings.draw(2, space=tiny.SMALL_SPACE))

        update = training.state.average._update_one
        self.assertEqual(update.experimental_get_tracing_count(), 1)

    def test_start_copies_the_weights_on_every_replica(self):
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        with strategy.scope():
            weight, mean = tf.Variable([1.0, 2.0]), tf.Variable([0.0, 0.0])

        average.EntangledAverage([weight], [mean], DECAY).start()

        for copy in mean.values:
            np.testing.assert_array_equal(copy, [1, 2])


if __name__ == "__main__":
    absltest.main()
