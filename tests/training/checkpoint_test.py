"""A checkpoint holds all that a training needs to continue."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.data import config as data_config
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import (
    checkpoint,
    config,
    experiment,
    guard,
    optimizer,
)

EXPERIMENT = experiment.Experiment(
    dataset="digits",
    model=model_lib.ModelConfig(
        num_classes=3, image_size=4, patch_size=2, head_dim=2
    ),
    space=search_space.SearchSpace((4, 6), (1, 2), (1, 2), (1.0, 2.0)),
    training=config.TrainingConfig(),
    augmentation=data_config.NONE,
)


class _Training:
    """All that is saved, in a state that depends on the seed."""

    def __init__(self, folder: pathlib.Path, seed: int):
        tf.keras.utils.set_random_seed(seed)
        self.supernet = supernet_lib.Supernet(
            EXPERIMENT.model, EXPERIMENT.space
        )
        self.optimizer = optimizer.EntangledAdamW(0.1, weight_decay=0.1)
        self.optimizer.build(self.supernet.trainable_variables)
        self.sampler = sampling.Sampler(EXPERIMENT.space, seed)
        self.checkpoint = checkpoint.TrainingCheckpoint(
            folder,
            self.supernet,
            self.optimizer,
            self.sampler,
            guard.Guard(),
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
        variables = [*self.supernet.variables, *self.optimizer.variables]
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
