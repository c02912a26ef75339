"""The loop's schedule, its watched subnets and what it refuses."""

import math
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import devices
from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.space import model, search_space
from tf_autoformer.training import loop

SPACE = search_space.SEARCH_SPACES["digits"]

devices.make_two_cpus()


def _experiment(**training) -> experiment.Experiment:
    return experiment.Experiment(
        dataset="digits",
        model=model.ModelConfig(num_classes=10),
        space=SPACE,
        training=training_config.TrainingConfig(**training),
        augmentation=data_config.AugmentationConfig(),
    )


class LoopTest(absltest.TestCase):
    def test_learning_rate_warms_up_linearly_and_falls_as_a_cosine(self):
        recipe = training_config.TrainingConfig(
            epochs=10,
            batch_size=10,
            learning_rate=1e-2,
            min_learning_rate=1e-3,
            warmup_epochs=2,
            warmup_learning_rate=1e-4,
        )
        optimizer = loop.make_optimizer(
            recipe, total_steps=100, num_examples=100
        )
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
        optimizer = loop.make_optimizer(recipe, 100, 100)
        optimizer.build(variables)

        optimizer.apply_gradients([(tf.zeros([1]), v) for v in variables])

        moved = [n for n, v in zip(names, variables, strict=True) if v != 1.0]
        self.assertEqual(moved, ["kernel", "qkv_kernel", "projection_kernel"])

    def test_watches_the_extremes_and_fixed_random_subnets(self):
        watched = loop.watched_subnets(SPACE, 3)

        self.assertEqual(
            list(watched),
            ["smallest", "largest", "random_0", "random_1", "random_2"],
        )
        self.assertEqual(watched, loop.watched_subnets(SPACE, 3))
        self.assertLen(set(watched.values()), 5)
        self.assertEqual(watched["largest"], SPACE.largest)

    def test_refuses_a_batch_that_replicas_cannot_share(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        odd = _experiment(batch_size=7)
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

        with self.assertRaisesRegex(
            errors.InputError, "batch_size is 7.*multiple.*replicas, 2"
        ):
            loop.Trainer(
                odd, folder, None, training_config.RunConfig(), strategy
            )

        self.assertFalse(folder.exists())

    def test_refuses_a_batch_of_which_a_replica_has_no_pairs_to_mix(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        odd = _experiment(batch_size=6)
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

        with self.assertRaisesRegex(
            errors.InputError, "batch_size is 6; .*twice the number of replicas"
        ):
            loop.Trainer(
                odd, folder, None, training_config.RunConfig(), strategy
            )

        self.assertFalse(folder.exists())

    def test_a_teacher_that_is_none_does_not_bind_the_folder(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        wrong = _experiment(teacher=str(folder / "teacher"))

        with self.assertRaisesRegex(errors.InputError, "teacher is '"):
            loop.Trainer(
                wrong,
                folder / "run",
                str(folder / "data"),
                training_config.RunConfig(),
                tf.distribute.OneDeviceStrategy("/cpu:0"),
            )

        self.assertEmpty(list((folder / "run").iterdir()))


if __name__ == "__main__":
    absltest.main()
