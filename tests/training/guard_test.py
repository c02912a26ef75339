"""The guard: what is skipped, and how the loss's scale moves."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny, trainings
from tf_autoformer.training import guard as guard_lib

SPACE = tiny.SMALL_SPACE


def _train(replicas: int, **options) -> trainings.Training:
    training = trainings.Training(
        replicas, SPACE, drop_path=0.3, ema_decay=0.9, **options
    )
    training.run(trainings.draw(2, space=SPACE))  # Fills moments.
    return training


def _broken() -> tuple[np.ndarray, np.ndarray]:
    """A batch with one pixel that is not a number."""
    images, targets = trainings.data(1)
    images[1, 3, 3, 0] = np.nan
    return images, targets


class SkippingTest(absltest.TestCase):
    # On two replicas: replicas_test.
    def test_a_batch_that_is_not_finite_changes_nothing_and_is_counted(self):
        training, twin = (_train(1, skips=True) for _ in range(2))
        (paths,) = trainings.draw(1, 5, space=SPACE)
        before = training.values()

        (metrics,) = training.run([paths], _broken())

        self.assertTrue(np.isnan(metrics.losses).all())
        self.assertEqual(metrics.skipped, 1)
        self.assertEqual(training.state.optimizer.iterations.numpy(), 3)
        for was, now in zip(before, training.values(), strict=True):
            np.testing.assert_array_equal(was, now)

        (found,) = training.run([paths])
        twin.state.optimizer.iterations.assign_add(1)
        (wanted,) = twin.run([paths])

        self.assertEqual(found.skipped, 1)
        np.testing.assert_array_equal(found.losses, wanted.losses)
        changed = 0
        for now, other, was in zip(
            training.values(), twin.values(), before, strict=True
        ):
            np.testing.assert_array_equal(now, other)
            changed += (now != was).any()
        self.assertGreater(changed, 0.9 * len(before))

    def test_without_it_the_weights_break(self):
        training = _train(1)

        (metrics,) = training.run([(SPACE.largest,)], _broken())

        self.assertEqual(metrics.skipped, 0)
        for values in training.weights():
            self.assertTrue(np.isnan(values).any())


class ScaleTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.guard = guard_lib.Guard(scales=True)
        self.updates = tf.Variable(0)
        self._apply = tf.function(
            lambda finite: self.guard.apply(
                finite, lambda: self.updates.assign_add(1)
            ),
            autograph=False,
        )

    def _steps(self, *finite: bool) -> list[float]:
        """The scale after each."""
        scales = []
        for each in finite:
            self._apply(tf.constant(each))
            scales.append(float(self.guard.scale))
        return scales

    def test_it_starts_at_32768_and_halves_at_each_overflow(self):
        self.assertEqual(float(self.guard.scale), 32768)
        self.assertEqual(self._steps(False, True, False), [16384, 16384, 8192])
        self.assertEqual(int(self.guard.skipped), 2)
        self.assertEqual(int(self.updates), 1)

    def test_it_is_never_below_1(self):
        self.guard.scale.assign(2.0)
        self.assertEqual(self._steps(*[False] * 3), [1, 1, 1])

    def test_it_doubles_after_2000_finite_updates_in_a_row(self):
        self.guard.finite_steps.assign(1998)
        self.assertEqual(self._steps(True, True, True), [2**15, 2**16, 2**16])
        self.assertEqual(int(self.guard.finite_steps), 1)
        self.guard.finite_steps.assign(1998)
        self.assertEqual(self._steps(True, False), [2**16, 2**15])
        self.assertEqual(int(self.guard.finite_steps), 0)

    def test_gradients_are_of_the_loss_itself(self):
        x = tf.Variable(3.0)
        with tf.GradientTape() as tape:
            scaled = x * x * self.guard.scale
        gradient = tape.gradient(scaled, x)

        self.assertEqual(float(gradient), 6 * 2**15)
        self.assertEqual([6.0], self.guard.unscaled([gradient]))

    def test_without_scaling_nothing_is_scaled_or_moves(self):
        guard = guard_lib.Guard(skips=True)
        for finite in (False, True):
            guard.apply(tf.constant(finite), lambda: None)

        self.assertEqual(float(guard.scale), 1)
        self.assertEqual(int(guard.skipped), 1)
        self.assertEqual(guard.unscaled([3.0]), [3.0])


class Float16Test(absltest.TestCase):
    def test_an_overflow_halves_the_scale_and_training_goes_on(self):
        training = _train(2, precision="mixed_float16")
        # Beyond float16 for any gradient that is not zero.
        training.state.guard.scale.assign(2.0**40)
        before = training.values()

        (metrics,) = training.run([(SPACE.largest,)])

        self.assertTrue(np.isfinite(metrics.losses).all())
        self.assertFalse(np.isfinite(metrics.gradient_norm))
        self.assertEqual(metrics.loss_scale, 2.0**40)
        self.assertEqual(metrics.skipped, 1)
        self.assertEqual(training.state.guard.scale.numpy(), 2.0**39)
        for was, now in zip(before, training.values(), strict=True):
            np.testing.assert_array_equal(was, now)

        training.state.guard.scale.assign(2.0**10)
        (metrics,) = training.run([(SPACE.largest,)])

        self.assertTrue(np.isfinite(metrics.gradient_norm))
        self.assertEqual(metrics.skipped, 1)
        self.assertEqual(training.state.guard.finite_steps.numpy(), 1)
        self.assertNotEqual(training.weights()[0].tolist(), before[0].tolist())


if __name__ == "__main__":
    absltest.main()
