"""A checkpoint holds all that a training needs to continue."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import average, checkpoint, guard, optimizer

EXPERIMENT = experiment.Experiment(
    dataset="digits",
    model=model_lib.ModelConfig(
        num_classes=3, image_size=4, patch_size=2, head_dim=2
    ),
    space=search_space.SearchSpace((4, 6), (1, 2), (1, 2), (1.0, 2.0)),
    training=training_config.TrainingConfig(),
    augmentation=data_config.NONE,
)


AVERAGED = dataclasses.replace(
    EXPERIMENT, training=training_config.TrainingConfig(ema_decay=0.5)
)


class _Training:
    """All that is saved, in a state that depends on the seed."""

    def __init__(self, folder: pathlib.Path, seed: int, averages=False):
        tf.keras.utils.set_random_seed(seed)
        self.supernet, averaged = (
            supernet_lib.Supernet(EXPERIMENT.model, EXPERIMENT.space)
            for _ in range(2)
        )
        self.averaged = averaged if averages else None
        self.guard = guard.Guard(scales=True)
        self.optimizer = optimizer.EntangledAdamW(0.1, weight_decay=0.1)
        self.optimizer.build(self.supernet.trainable_variables)
        self.sampler = sampling.Sampler(EXPERIMENT.space, seed)
        self.checkpoint = checkpoint.TrainingCheckpoint(
            folder,
            self.supernet,
            self.optimizer,
            self.sampler,
            self.guard,
            self.averaged,
        )

    def advance(self) -> None:
        self.sampler.sample()
        self.optimizer.apply_gradients(
            [
                (tf.random.normal(variable.shape), variable)
                for variable in self.supernet.trainable_variables
            ]
        )

    def state(self) -> list[np.ndarray]:
        variables = [
            *self.supernet.variables,
            *self.optimizer.variables,
            *(self.averaged.variables if self.averaged else []),
            self.guard.scale,
            self.guard.finite_steps,
            self.guard.skipped,
        ]
        return [variable.numpy() for variable in variables]


class CheckpointTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        experiment.claim(self.folder, dataclasses.asdict(EXPERIMENT))

    def test_restores_weights_moments_steps_and_sampler(self):
        saved = _Training(self.folder, seed=0)
        saved.advance()
        saved.advance()
        saved.checkpoint.save()

        restored = _Training(self.folder, seed=1)
        steps = restored.checkpoint.restore()

        self.assertEqual(steps, 2)
        for was, now in zip(saved.state(), restored.state(), strict=True):
            np.testing.assert_array_equal(was, now)
        for _ in range(5):
            self.assertEqual(saved.sampler.sample(), restored.sampler.sample())

    def test_restores_averages_and_the_guards_scale_and_counts(self):
        saved = _Training(self.folder, seed=0, averages=True)
        saved.advance()
        saved.guard.scale.assign(64.0)
        saved.guard.finite_steps.assign(7)
        saved.guard.skipped.assign(3)
        saved.checkpoint.save()

        restored = _Training(self.folder, seed=1, averages=True)
        restored.checkpoint.restore()

        for was, now in zip(saved.state(), restored.state(), strict=True):
            np.testing.assert_array_equal(was, now)
        self.assertEqual([64, 7, 3], restored.state()[-3:])

    def test_what_must_not_write_saves_nothing(self):
        training = _Training(self.folder, seed=0)
        silent = checkpoint.TrainingCheckpoint(
            self.folder,
            training.supernet,
            training.optimizer,
            training.sampler,
            training.guard,
            writes=False,
        )

        silent.save()

        self.assertFalse((self.folder / "checkpoints").exists())
        self.assertEqual(silent.latest, "")

    def test_latest_is_the_path_of_the_last_one(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()

        latest = pathlib.Path(training.checkpoint.latest)

        self.assertEqual(latest.parent, self.folder / "checkpoints")
        self.assertEndsWith(latest.name, "-1")

    def test_without_a_checkpoint_it_starts_at_step_0(self):
        self.assertEqual(_Training(self.folder, 0).checkpoint.restore(), 0)

    def test_load_supernet_gives_the_latest_weights_and_their_step(self):
        training = _Training(self.folder, seed=0)
        for _ in range(3):
            training.advance()
            training.checkpoint.save()

        supernet, step = checkpoint.load_supernet(
            self.folder, tf.distribute.get_strategy()
        )

        self.assertEqual(step, 3)
        for was, now in zip(
            training.supernet.variables, supernet.variables, strict=True
        ):
            np.testing.assert_array_equal(was, now)

    def test_load_supernet_gives_the_averages_of_a_recipe_that_has_them(self):
        folder = self.folder / "averaged"
        experiment.claim(folder, dataclasses.asdict(AVERAGED))
        training = _Training(folder, seed=0, averages=True)
        training.advance()
        training.checkpoint.save()

        supernet, _ = checkpoint.load_supernet(
            folder, tf.distribute.get_strategy()
        )

        for mean, now in zip(
            training.averaged.variables, supernet.variables, strict=True
        ):
            np.testing.assert_array_equal(mean, now)
        self.assertGreater(
            np.abs(supernet.get_weights()[0] - training.state()[0]).max(), 0
        )

    def test_weights_from_elsewhere_are_their_own_average_at_step_0(self):
        folder = self.folder / "converted"
        experiment.claim(folder, dataclasses.asdict(AVERAGED))
        tf.keras.utils.set_random_seed(5)
        converted = supernet_lib.Supernet(EXPERIMENT.model, EXPERIMENT.space)
        checkpoint.save_supernet(folder, converted)

        loaded, step = checkpoint.load_supernet(
            folder, tf.distribute.get_strategy()
        )
        training = _Training(folder, seed=1, averages=True)
        steps = training.checkpoint.restore()
        average.EntangledAverage(
            training.supernet.trainable_variables,
            training.averaged.trainable_variables,
            0.5,
        ).start()

        self.assertEqual((step, steps), (0, 0))
        for each in (loaded, training.supernet, training.averaged):
            for was, now in zip(
                converted.variables, each.variables, strict=True
            ):
                np.testing.assert_array_equal(was, now)

    def test_load_supernet_without_a_checkpoint_says_what_to_do(self):
        with self.assertRaisesRegex(
            errors.InputError, "no checkpoint; train the supernet first"
        ):
            checkpoint.load_supernet(self.folder, tf.distribute.get_strategy())

    def test_a_damaged_index_is_told_and_not_taken_for_a_fresh_start(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()
        (self.folder / "checkpoints" / "checkpoint").write_text("damaged")

        with self.assertRaisesRegex(errors.InputError, "checkpoint is dam"):
            _Training(self.folder, seed=1).checkpoint.restore()

    def test_a_damaged_checkpoint_is_told_in_one_line(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()
        (data,) = self.folder.glob("checkpoints/*.data-*")
        data.write_bytes(data.read_bytes()[:100])

        for restore in (
            lambda: checkpoint.load_supernet(
                self.folder, tf.distribute.get_strategy()
            ),
            _Training(self.folder, seed=1).checkpoint.restore,
        ):
            with self.assertRaises(errors.InputError) as caught:
                restore()
            self.assertRegex(str(caught.exception), "cannot restore a check")
            self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
