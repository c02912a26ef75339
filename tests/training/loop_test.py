"""The loop's watched subnets and what it refuses."""

import dataclasses
import pathlib

import tensorflow as tf
from absl.testing import absltest

from tests.helpers import devices, tiny
from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import experiment, workdir
from tf_autoformer.training import loop, run_config

SPACE = tiny.SPACE

devices.prepare()


def _experiment(**training) -> experiment.Experiment:
    """A tiny experiment with DeiT's augmentation, which mixes images."""
    return dataclasses.replace(
        tiny.experiment(**training),
        augmentation=augmentation_config.AugmentationConfig(),
    )


class LoopTest(absltest.TestCase):
    def test_watches_the_extremes_and_fixed_random_subnets(self):
        experiment = tiny.experiment()
        watched = loop.watched_subnets(experiment, 3)

        self.assertEqual(
            list(watched),
            ["smallest", "largest", "random_0", "random_1", "random_2"],
        )
        self.assertEqual(watched, loop.watched_subnets(experiment, 3))
        self.assertLen(set(watched.values()), 5)
        self.assertEqual(watched["largest"], SPACE.largest)

    def test_watches_the_subnet_that_is_trained_alone(self):
        alone = dataclasses.replace(
            tiny.experiment(), architecture=SPACE.smallest
        )

        self.assertEqual(
            loop.watched_subnets(alone, 3), {"subnet": SPACE.smallest}
        )

    def test_refuses_a_batch_that_replicas_cannot_share(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        odd = _experiment(batch_size=7)
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

        with self.assertRaisesRegex(
            errors.InputError, "batch_size is 7.*multiple.*replicas, 2"
        ):
            loop.Trainer(
                odd,
                workdir.Workdir(folder),
                None,
                run_config.RunConfig(),
                strategy,
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
                odd,
                workdir.Workdir(folder),
                None,
                run_config.RunConfig(),
                strategy,
            )

        self.assertFalse(folder.exists())

    def test_a_teacher_that_is_none_does_not_bind_the_folder(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        wrong = _experiment(teacher=str(folder / "teacher"))

        with self.assertRaisesRegex(errors.InputError, "teacher is '"):
            loop.Trainer(
                wrong,
                workdir.Workdir(folder / "run"),
                str(folder / "data"),
                run_config.RunConfig(),
                tf.distribute.OneDeviceStrategy("/cpu:0"),
            )

        self.assertEmpty(list((folder / "run").iterdir()))


if __name__ == "__main__":
    absltest.main()
