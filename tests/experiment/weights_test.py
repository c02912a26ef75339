"""A supernet is loaded as it was last saved, or the failure is told."""

import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.experiment import (
    experiment,
    known_data,
    weights,
    workdir,
)
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import checkpoint
from tf_autoformer.training import state as state_lib

EXPERIMENT = tiny.experiment()
AVERAGED = tiny.experiment(ema_decay=0.5)


def _supernet(seed: int) -> supernet_lib.Supernet:
    tf.keras.utils.set_random_seed(seed)
    return supernet_lib.Supernet(tiny.MODEL, tiny.SPACE)


class WeightsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = workdir.Workdir(root)

    def _train(
        self, made: experiment.Experiment, steps: int
    ) -> state_lib.TrainState:
        """Updates the weights by noise, and saves after each step."""
        self.workdir.claim(made)
        state = state_lib.TrainState.create(
            made.model,
            made.space,
            made.training,
            tf.distribute.get_strategy(),
            num_examples=1024,
        )
        saver = checkpoint.TrainingCheckpoint(self.workdir.checkpoints, state)
        for _ in range(steps):
            state.optimizer.apply_gradients(
                [
                    (tf.random.normal(variable.shape), variable)
                    for variable in state.supernet.trainable_variables
                ]
            )
            saver.save()
        return state

    def _trained(self) -> weights.Trained:
        return self.workdir.trained(tf.distribute.get_strategy())

    def _check_same(self, found, wanted) -> None:
        for now, was in zip(found.variables, wanted.variables, strict=True):
            np.testing.assert_array_equal(now, was)

    def test_gives_the_latest_weights_their_step_and_experiment(self):
        state = self._train(EXPERIMENT, steps=3)

        trained = self._trained()

        self.assertEqual(trained.step, 3)
        self.assertEqual(trained.experiment, EXPERIMENT)
        self._check_same(trained.supernet, state.supernet)

    def test_as_many_checkpoints_are_kept_as_promised(self):
        self._train(EXPERIMENT, steps=3)

        indices = self.workdir.checkpoints.glob("*.index")
        self.assertCountEqual(
            [path.stem for path in indices], ["ckpt-2", "ckpt-3"]
        )
        self.assertEqual(weights.KEPT, 2)

    def test_gives_the_averages_of_a_recipe_that_has_them(self):
        state = self._train(AVERAGED, steps=1)

        trained = self._trained()

        self._check_same(trained.supernet, state.averaged)
        apart = trained.supernet.get_weights()[0] - state.supernet.variables[0]
        self.assertGreater(np.abs(apart).max(), 0)

    def test_gives_weights_from_elsewhere_whatever_the_recipe(self):
        converted = _supernet(seed=5)
        weights.save(self.workdir.checkpoints, converted)
        for number, made in enumerate(
            (
                dataclasses.replace(
                    EXPERIMENT, training=None, augmentation=None
                ),
                AVERAGED,  # No step of it is taken yet: there is no average.
            )
        ):
            with self.subTest(number):
                self.workdir.claim(made)

                trained = self._trained()

                self.assertEqual(trained.step, 0)
                self._check_same(trained.supernet, converted)

    def test_variables_are_created_under_the_strategy(self):
        weights.save(self.workdir.checkpoints, _supernet(seed=0))
        self.workdir.claim(EXPERIMENT)
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

        trained = self.workdir.trained(strategy)

        for variable in trained.supernet.variables:
            self.assertLen(variable.values, 2)

    def test_it_computes_in_the_recipes_precision(self):
        weights.save(self.workdir.checkpoints, _supernet(seed=0))
        self.workdir.claim(tiny.experiment(precision="mixed_bfloat16"))
        self.assertEqual(self._trained().supernet.compute_dtype, tf.bfloat16)

    def test_the_data_set_is_loaded_when_it_is_asked_for_and_once(self):
        weights.save(self.workdir.checkpoints, _supernet(seed=0))
        self.workdir.claim(EXPERIMENT)
        with mock.patch.object(known_data, "load") as load:
            trained = self.workdir.trained(
                tf.distribute.get_strategy(), "some/folder"
            )
            load.assert_not_called()

            self.assertIs(trained.dataset, load.return_value)
            self.assertIs(trained.dataset, load.return_value)

        load.assert_called_once_with(self.workdir, None, "some/folder")

    def test_without_a_checkpoint_it_says_what_to_do(self):
        self.workdir.claim(EXPERIMENT)

        with self.assertRaisesRegex(
            errors.InputError, "no checkpoint; train the supernet first"
        ):
            self._trained()

    def test_without_an_experiment_it_says_what_to_do(self):
        with self.assertRaisesRegex(errors.InputError, "train a supernet"):
            self._trained()

    def test_a_damaged_index_is_told(self):
        self._train(EXPERIMENT, steps=1)
        (self.workdir.checkpoints / "checkpoint").write_text("damaged")

        with self.assertRaisesRegex(errors.InputError, "checkpoint is damaged"):
            self._trained()

    def test_a_damaged_checkpoint_is_told_in_one_line(self):
        self._train(EXPERIMENT, steps=1)
        (data,) = self.workdir.checkpoints.glob("*.data-*")
        data.write_bytes(data.read_bytes()[:100])

        with self.assertRaises(errors.InputError) as caught:
            self._trained()

        self.assertRegex(str(caught.exception), "cannot restore a check")
        self.assertNotIn("\n", str(caught.exception))

    def test_a_folder_that_cannot_be_written_is_told_in_one_line(self):
        self.workdir.checkpoints.write_text("a file")

        with self.assertRaises(errors.InputError) as caught:
            weights.save(self.workdir.checkpoints, _supernet(seed=0))

        self.assertRegex(str(caught.exception), "cannot save a checkpoint in")
        self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
