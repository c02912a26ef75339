"""Checkpoints of a training."""

import pathlib

import tensorflow as tf

from tf_autoformer.experiment import weights
from tf_autoformer.space import sampling
from tf_autoformer.training import state as state_lib


class _SamplerState(tf.train.experimental.PythonState):
    """Puts the sampler's position into a checkpoint."""

    def __init__(self, sampler: sampling.Sampler):
        self._sampler = sampler

    def serialize(self) -> str:
        return self._sampler.state()

    def deserialize(self, state: str) -> None:
        self._sampler.restore(state)


class TrainingCheckpoint:
    """Saves and restores everything that a training needs to continue.

    Args:
      folder: Folder of the checkpoints.
      state: State of the training.
      writes: Whether `save` does anything. Of several processes only one may.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        state: state_lib.TrainState,
        writes: bool = True,
    ):
        self._optimizer = state.optimizer
        self._average = state.average
        self._writes = writes
        self._folder = folder
        averages = {}
        if state.average is not None:
            averages = {
                "average": state.averaged,
                "average_updates": state.average.updates,
            }
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                supernet=state.supernet,
                optimizer=state.optimizer,
                sampler=_SamplerState(state.sampler),
                guard=state.guard,
                **averages,
            ),
            str(self._folder),
            max_to_keep=weights.KEPT,
        )

    def restore(self) -> int:
        """Continues from the latest checkpoint, if any.

        Returns:
          Number of steps taken so far.

        Raises:
          InputError: The checkpoint is damaged.
        """
        if self._average is not None and self.latest:
            # For an older checkpoint, which has no counts.
            self._average.count_as(weights.step_of(self.latest))
        with weights.worded(self._folder, "restore"):
            found = self._manager.restore_or_initialize()
        if found is None and (self._folder / "checkpoint").exists():
            raise weights.damaged(self._folder)
        return int(self._optimizer.iterations.numpy())

    @property
    def latest(self) -> str:
        """Path of the latest checkpoint. Empty if there is none."""
        return self._manager.latest_checkpoint or ""

    def save(self) -> None:
        """Saves at the current step.

        Raises:
          InputError: The folder cannot be written or the disk is full.
        """
        if not self._writes:
            return
        with weights.worded(self._folder, "save"):
            self._manager.save(self._optimizer.iterations.numpy())
