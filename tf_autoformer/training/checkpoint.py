"""Checkpoints of a training, and the supernet out of them."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.space import sampling
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import experiment as experiment_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import optimizer as optimizer_lib

_KEPT = 2


class _SamplerState(tf.train.experimental.PythonState):
    """Puts the sampler's position into a checkpoint."""

    def __init__(self, sampler: sampling.Sampler):
        self._sampler = sampler

    def serialize(self) -> str:
        return self._sampler.state()

    def deserialize(self, state: str) -> None:
        self._sampler.restore(state)


def _folder(workdir: str | os.PathLike[str]) -> pathlib.Path:
    return pathlib.Path(workdir) / "checkpoints"


class TrainingCheckpoint:
    """Saves and restores everything that a training needs to continue.

    Args:
      workdir: saves under `checkpoints/` there.
      supernet: its weights.
      optimizer: its moments and step count.
      sampler: its position.
      guard: its loss scale and counts.
      average: the weights' moving average, if any.
      writes: whether `save` does anything: of several processes only one may.
    """

    def __init__(
        self,
        workdir: str | os.PathLike[str],
        supernet: supernet_lib.Supernet,
        optimizer: optimizer_lib.EntangledAdamW,
        sampler: sampling.Sampler,
        guard: guard_lib.Guard,
        average: supernet_lib.Supernet | None = None,
        writes: bool = True,
    ):
        self._optimizer = optimizer
        self._writes = writes
        averages = {} if average is None else {"average": average}
        self._folder = _folder(workdir)
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                supernet=supernet,
                optimizer=optimizer,
                sampler=_SamplerState(sampler),
                guard=guard,
                **averages,
            ),
            str(self._folder),
            max_to_keep=_KEPT,
        )

    def restore(self) -> int:
        """Continues from the latest checkpoint, if any.

        Returns:
          Steps done so far.

        Raises:
          InputError: the checkpoint is damaged.
        """
        with _worded(self._folder, "restore"):
            found = self._manager.restore_or_initialize()
        if found is None and (self._folder / "checkpoint").exists():
            raise _damaged(self._folder)
        return int(self._optimizer.iterations.numpy())

    @property
    def latest(self) -> str:
        """The path of the latest checkpoint; empty if there is none."""
        return self._manager.latest_checkpoint or ""

    def save(self) -> None:
        """Saves at the current step.

        Raises:
          InputError: the folder cannot be written or the disk is full.
        """
        if not self._writes:
            return
        with _worded(self._folder, "save"):
            self._manager.save(self._optimizer.iterations.numpy())


def save_supernet(
    workdir: str | os.PathLike[str], supernet: supernet_lib.Supernet
) -> None:
    """Saves weights from elsewhere as those of step 0 of a training.

    Raises:
      InputError: the folder cannot be written or the disk is full.
    """
    folder = _folder(workdir)
    content = tf.train.Checkpoint(supernet=supernet)
    with _worded(folder, "save"):
        tf.train.CheckpointManager(content, str(folder), _KEPT).save(0)


def load_supernet(
    workdir: str | os.PathLike[str], strategy: tf.distribute.Strategy
) -> tuple[supernet_lib.Supernet, int]:
    """The supernet of a working folder, as last saved.

    Its weights are their moving average if the recipe has one.

    Args:
      workdir: where it was trained.
      strategy: to create its variables under.

    Returns:
      The supernet and the step at which it was saved.

    Raises:
      InputError: there is no checkpoint, or it is damaged.
    """
    experiment = experiment_lib.load(workdir)
    folder = _folder(workdir)
    if not (folder / "checkpoint").exists():
        raise errors.InputError(
            f"{folder} holds no checkpoint; train the supernet first"
        )
    state = tf.train.get_checkpoint_state(str(folder))
    if state is None:
        raise _damaged(folder)
    latest = state.model_checkpoint_path
    step = int(latest.rsplit("-", 1)[1])
    recipe = experiment.training
    precision = {} if recipe is None else {"dtype": recipe.precision}
    # Weights from elsewhere, at step 0, have no average yet.
    averaged = step and recipe is not None and recipe.ema_decay
    with strategy.scope():
        supernet = supernet_lib.Supernet(
            experiment.model, experiment.space, **precision
        )
    with _worded(folder, "restore"):
        content = {"average" if averaged else "supernet": supernet}
        status = tf.train.Checkpoint(**content).restore(latest)
        status.assert_existing_objects_matched().expect_partial()
    return supernet, step


def _damaged(folder: pathlib.Path) -> errors.InputError:
    return errors.InputError(
        f"cannot restore a checkpoint: {folder / 'checkpoint'} is damaged"
    )


@contextlib.contextmanager
def _worded(folder: pathlib.Path, verb: str) -> Iterator[None]:
    """Turns a failure of TensorFlow's file operations into one line."""
    try:
        yield
    # IndexError is how its reader says that a file is too short.
    except (tf.errors.OpError, OSError, IndexError) as error:
        raise errors.InputError(
            f"cannot {verb} a checkpoint in {folder}: {errors.reason(error)}"
        ) from error
