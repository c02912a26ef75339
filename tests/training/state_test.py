"""The state before the first step, and the optimizer's schedule."""

import dataclasses
import math

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings
from tf_autoformer.experiment import methods, training_config
from tf_autoformer.training import state


class MakeOptimizerTest(absltest.TestCase):
    def test_learning_rate_warms_up_linearly_and_falls_as_a_cosine(self):
        recipe = training_config.TrainingConfig(
            epochs=10,
            batch_size=10,
            learning_rate=1e-2,
            min_learning_rate=1e-3,
            warmup_epochs=2,
            warmup_learning_rate=1e-4,
        )
        optimizer = state.make_optimizer(recipe, num_examples=100)
        schedule = optimizer._learning_rate

        for step, expected in (
            (0, 1e-4),
            (10, 1e-4 + (1e-2 - 1e-4) / 2),
            (20, 1e-2),
            (60, 1e-3 + (1e-2 - 1e-3) / 2),
            (80, 1e-3 + (1e-2 - 1e-3) * (1 + math.cos(0.75 * math.pi)) / 2),
            (100, 1e-3),
        ):
            np.testing.assert_allclose(schedule(step), expected, rtol=1e-4)

    def test_kernels_decay_and_nothing_else(self):
        names = (
            "kernel",
            "qkv_kernel",
            "projection_kernel",
            "bias",
            "qkv_bias",
            "projection_bias",
            "gamma",
            "beta",
            "embedding",
            "key_vertical",
            "value_horizontal",
        )
        variables = [tf.Variable([1.0], name=name) for name in names]
        recipe = training_config.TrainingConfig(
            weight_decay=0.5, learning_rate=0.1, warmup_learning_rate=0.1
        )
        optimizer = state.make_optimizer(recipe, num_examples=100)
        optimizer.build(variables)

        optimizer.apply_gradients([(tf.zeros([1]), v) for v in variables])

        moved = [n for n, v in zip(names, variables, strict=True) if v != 1.0]
        self.assertEqual(moved, ["kernel", "qkv_kernel", "projection_kernel"])


def _create(**recipe) -> state.TrainState:
    return state.TrainState.create(
        tiny.MODEL,
        tiny.SPACE,
        training_config.TrainingConfig(**recipe),
        tf.distribute.get_strategy(),
        num_examples=1024,
    )


class TrainStateTest(parameterized.TestCase):
    def test_weights_and_paths_follow_from_the_seed(self):
        first, second, other = (_create(seed=seed) for seed in (3, 3, 4))

        weights = [
            np.concatenate([np.ravel(v) for v in each.supernet.variables])
            for each in (first, second, other)
        ]
        np.testing.assert_array_equal(weights[0], weights[1])
        self.assertGreater(np.abs(weights[0] - weights[2]).max(), 0.01)
        paths = [
            [each.sampler.sample() for _ in range(10)]
            for each in (first, second, other)
        ]
        self.assertEqual(paths[0], paths[1])
        self.assertNotEqual(paths[0], paths[2])

    def test_the_optimizer_has_moments_of_every_weight(self):
        created = _create()

        shapes = [v.shape for v in created.supernet.trainable_variables]
        for moments in (
            created.optimizer.first_moments,
            created.optimizer.second_moments,
        ):
            self.assertEqual([moment.shape for moment in moments], shapes)
        self.assertEqual(int(created.optimizer.iterations), 0)

    @parameterized.parameters(*methods.METHODS)
    def test_the_sampler_draws_as_the_method_does(self, method):
        created = _create(method=method, seed=7)

        found = [created.sampler.sample() for _ in range(5)]

        rule = methods.METHODS[method].draw
        self.assertEqual(found, trainings.draw(5, 7, rule))

    def test_without_a_decay_there_is_no_average_and_the_weights_count(self):
        created = _create()

        self.assertIsNone(created.averaged)
        self.assertIsNone(created.average)
        self.assertIs(created.evaluated, created.supernet)

    def test_with_a_decay_the_average_counts(self):
        created = _create(ema_decay=0.9)

        self.assertIs(created.evaluated, created.averaged)
        self.assertIsNot(created.averaged, created.supernet)
        created.average.start()
        for mean, weight in zip(
            created.averaged.variables,
            created.supernet.variables,
            strict=True,
        ):
            np.testing.assert_array_equal(mean, weight)

    @parameterized.parameters(
        ("float32", 1), ("mixed_bfloat16", 1), ("mixed_float16", 2**15)
    )
    def test_the_loss_is_scaled_for_float16_alone(self, precision, scale):
        created = _create(precision=precision)

        self.assertEqual(created.guard.scale.numpy(), scale)

    @parameterized.parameters(False, True)
    def test_updates_that_are_not_finite_are_skipped_on_request(self, skips):
        training = trainings.Training(space=tiny.SMALL_SPACE, skips=skips)
        updates = []

        training.state.guard.apply(
            tf.constant(False), lambda: updates.append(1)
        )

        self.assertEqual(len(updates), 0 if skips else 1)

    def test_variables_are_created_under_the_strategy(self):
        created = trainings.Training(
            replicas=2, space=tiny.SMALL_SPACE, ema_decay=0.9
        ).state

        for variable in (
            *created.supernet.variables,
            *created.averaged.variables,
            *created.optimizer.first_moments,
            created.guard.scale,
        ):
            self.assertLen(variable.values, 2)

    def test_nothing_can_be_exchanged(self):
        with self.assertRaises(dataclasses.FrozenInstanceError):
            _create().supernet = None


if __name__ == "__main__":
    absltest.main()
