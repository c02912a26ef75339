"""One and two replicas train alike, whatever is switched on."""

from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny, trainings
from tf_autoformer.space import sampling

SPACE = tiny.SMALL_SPACE
ALL = {
    "method": "bignas",
    "skips": True,
    "ema_decay": 0.9,
    "clip_norm": 0.5,
    "accumulation": 2,
}


class ReplicasTest(absltest.TestCase):
    def _check(
        self, steps: list[sampling.Paths], batches, **options
    ) -> trainings.Training:
        """Returns the training on two replicas."""
        one, two = (
            trainings.Training(n, SPACE, drop_path=0.3, **options)
            for n in (1, 2)
        )
        metrics = [each.run(steps, batches) for each in (one, two)]

        for found, wanted in zip(*metrics, strict=True):
            for value, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(value, other, atol=1e-5, rtol=0)
        losses = [each.losses[0] for each in metrics[1]]
        self.assertGreater(np.nanmax(losses) - np.nanmin(losses), 0.01)
        for first, second in zip(one.values(), two.values(), strict=True):
            np.testing.assert_allclose(first, second, atol=1e-5, rtol=0)
        for variable in two.state.supernet.trainable_variables:
            np.testing.assert_array_equal(*variable.values)
        return two

    def test_on_a_single_path_over_10_steps(self):
        context = tf.distribute.ReplicaContext
        summed = self.enter_context(
            mock.patch.object(
                context,
                "all_reduce",
                autospec=True,
                side_effect=context.all_reduce,
            )
        )

        two = self._check(trainings.draw(10, space=SPACE), None)

        # One vector of each replica, in each graph.
        self.assertEqual(summed.call_count, 2 * two.step.traces)
        for call in summed.call_args_list:
            self.assertEqual(call.args[2].shape.rank, 1)

    def test_on_several_paths_with_all_that_a_step_can_do(self):
        images, targets = trainings.data(4)
        images[2 * trainings.BATCH] = np.nan  # The first replica sees it.
        steps = [
            (SPACE.largest, *path) for path in trainings.draw(4, space=SPACE)
        ]

        two = self._check(steps, (images, targets), **ALL)

        # Of the four steps, one is skipped.
        for updates in two.state.average.updates:
            for count in updates.values:
                np.testing.assert_array_equal(count, np.full(count.shape, 3))


if __name__ == "__main__":
    absltest.main()
