"""A checkpoint holds all that a training needs to continue."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.experiment import training_config, weights
from tf_autoformer.training import checkpoint
from tf_autoformer.training import state as state_lib


class _Training:
    """All that is saved, in a state that depends on the seed."""

    def __init__(self, folder: pathlib.Path, seed: int, ema_decay: float = 0):
        self.state = state_lib.TrainState.create(
            tiny.MODEL,
            tiny.SPACE,
            training_config.TrainingConfig(seed=seed, ema_decay=ema_decay),
            tf.distribute.get_strategy(),
            num_examples=1024,
        )
        self.checkpoint = checkpoint.TrainingCheckpoint(folder, self.state)

    def advance(self) -> None:
        self.state.sampler.sample()
        self.state.optimizer.apply_gradients(
            [
                (tf.random.normal(variable.shape), variable)
                for variable in self.state.supernet.trainable_variables
            ]
        )

    def values(self) -> list[np.ndarray]:
        state = self.state
        variables = [
            *state.supernet.variables,
            *state.optimizer.variables,
            *(state.averaged.variables if state.averaged else []),
            *(state.average.updates if state.average else []),
            state.guard.scale,
            state.guard.finite_steps,
            state.guard.skipped,
        ]
        return [variable.numpy() for variable in variables]


class CheckpointTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.folder = root / "checkpoints"

    def test_restores_weights_moments_steps_and_sampler(self):
        saved = _Training(self.folder, seed=0)
        saved.advance()
        saved.advance()
        saved.checkpoint.save()

        restored = _Training(self.folder, seed=1)
        steps = restored.checkpoint.restore()

        self.assertEqual(steps, 2)
        for was, now in zip(saved.values(), restored.values(), strict=True):
            np.testing.assert_array_equal(was, now)
        for _ in range(5):
            self.assertEqual(
                saved.state.sampler.sample(), restored.state.sampler.sample()
            )

    def test_restores_averages_and_the_guards_scale_and_counts(self):
        saved = _Training(self.folder, seed=0, ema_decay=0.5)
        saved.advance()
        saved.state.average.count_as(3)
        saved.state.guard.scale.assign(64.0)
        saved.state.guard.finite_steps.assign(7)
        saved.state.guard.skipped.assign(3)
        saved.checkpoint.save()

        restored = _Training(self.folder, seed=1, ema_decay=0.5)
        restored.checkpoint.restore()

        for was, now in zip(saved.values(), restored.values(), strict=True):
            np.testing.assert_array_equal(was, now)
        self.assertEqual([64, 7, 3], restored.values()[-3:])
        for count in restored.state.average.updates:
            np.testing.assert_array_equal(count, np.full(count.shape, 3))

    def test_without_counts_every_element_has_an_update_of_each_step(self):
        older = _Training(self.folder, seed=0)
        older.advance()
        older.advance()
        state = older.state
        tf.train.CheckpointManager(
            tf.train.Checkpoint(
                supernet=state.supernet,
                optimizer=state.optimizer,
                average=state.supernet,
            ),
            str(self.folder),
            max_to_keep=1,
        ).save(2)

        restored = _Training(self.folder, seed=1, ema_decay=0.5)
        restored.checkpoint.restore()

        for count in restored.state.average.updates:
            np.testing.assert_array_equal(count, np.full(count.shape, 2))
        for was, now in zip(
            state.supernet.variables,
            restored.state.averaged.variables,
            strict=True,
        ):
            np.testing.assert_array_equal(was, now)

    def test_what_must_not_write_saves_nothing(self):
        training = _Training(self.folder, seed=0)
        silent = checkpoint.TrainingCheckpoint(
            self.folder, training.state, writes=False
        )

        silent.save()

        self.assertFalse(self.folder.exists())
        self.assertEqual(silent.latest, "")

    def test_latest_is_the_path_of_the_last_one(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()

        latest = pathlib.Path(training.checkpoint.latest)

        self.assertEqual(latest.parent, self.folder)
        self.assertEndsWith(latest.name, "-1")

    def test_without_a_checkpoint_it_starts_at_step_0(self):
        self.assertEqual(_Training(self.folder, 0).checkpoint.restore(), 0)

    def test_weights_from_elsewhere_are_their_own_average_at_step_0(self):
        converted = _Training(self.folder, seed=5).state.supernet
        weights.save(self.folder, converted)

        training = _Training(self.folder, seed=1, ema_decay=0.5)
        steps = training.checkpoint.restore()
        training.state.average.start()

        self.assertEqual(steps, 0)
        for each in (training.state.supernet, training.state.averaged):
            for was, now in zip(
                converted.variables, each.variables, strict=True
            ):
                np.testing.assert_array_equal(was, now)

    def test_a_damaged_index_is_told_and_not_taken_for_a_fresh_start(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()
        (self.folder / "checkpoint").write_text("damaged")

        with self.assertRaisesRegex(errors.InputError, "checkpoint is dam"):
            _Training(self.folder, seed=1).checkpoint.restore()

    def test_a_damaged_checkpoint_is_told_in_one_line(self):
        training = _Training(self.folder, seed=0)
        training.advance()
        training.checkpoint.save()
        (data,) = self.folder.glob("*.data-*")
        data.write_bytes(data.read_bytes()[:100])

        with self.assertRaises(errors.InputError) as caught:
            _Training(self.folder, seed=1).checkpoint.restore()

        self.assertRegex(str(caught.exception), "cannot restore a check")
        self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
