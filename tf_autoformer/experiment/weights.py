"""The weights of a trained supernet, read from its checkpoint."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data.sources import datasets
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import known_data
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.supernet import supernet as supernet_lib

# Number of checkpoints that are kept in a folder.
KEPT = 2


class Trained:
    """A supernet as last saved, with its experiment and its data set.

    If the recipe has a moving average, the weights are the average.

    Args:
      workdir: Working folder of the supernet.
      strategy: Strategy to create the variables under.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      dataset: Name of the data set. None: the experiment's.

    Attributes:
      experiment: Experiment of the supernet.
      supernet: The supernet with its weights.
      step: Training step at which they were saved.

    Raises:
      InputError: There is no checkpoint, or it is damaged.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        strategy: tf.distribute.Strategy,
        data_dir: str | None = None,
        dataset: str | None = None,
    ):
        self.experiment = workdir.experiment
        self.supernet, self.step = _load(
            workdir.checkpoints, workdir.experiment, strategy
        )
        self._workdir = workdir
        self._data_dir = data_dir
        self._dataset = dataset

    @functools.cached_property
    def dataset(self) -> datasets.Dataset:
        """The data set, as the supernet sees it.

        Raises:
          InputError: It cannot be loaded, or has other classes. See
            `known_data.load`.
        """
        return known_data.load(self._workdir, self._dataset, self._data_dir)

    def claim(self) -> None:
        """Checks that the data set is that of before, and writes it down.

        Raises:
          InputError: It has other images than before. See `Workdir.claim`.
        """
        name = self._dataset or self.experiment.dataset
        experiment = dataclasses.replace(self.experiment, dataset=name)
        self._workdir.claim(experiment, self.dataset)

    @functools.cached_property
    def source(self) -> source_lib.Source:
        """The classes and pixels that the supernet knows.

        Raises:
          InputError: See `known_data.source`.
        """
        return known_data.source(self._workdir, self._data_dir)


def save(folder: pathlib.Path, supernet: supernet_lib.Supernet) -> None:
    """Saves weights from elsewhere as those of a training's step 0.

    Args:
      folder: Folder of the checkpoints.
      supernet: Weights to save.

    Raises:
      InputError: The folder cannot be written or the disk is full.
    """
    content = tf.train.Checkpoint(supernet=supernet)
    with worded(folder, "save"):
        tf.train.CheckpointManager(content, str(folder), KEPT).save(0)


def _load(
    folder: pathlib.Path,
    experiment: experiment_lib.Experiment,
    strategy: tf.distribute.Strategy,
) -> tuple[supernet_lib.Supernet, int]:
    """The supernet and the step at which it was saved."""
    latest = _latest(folder)
    step = step_of(latest)
    recipe = experiment.training
    precision = {} if recipe is None else {"dtype": recipe.precision}
    # Weights from elsewhere, at step 0, have no average yet.
    averaged = step and recipe is not None and recipe.ema_decay
    with strategy.scope():
        supernet = supernet_lib.Supernet(
            experiment.model, experiment.space, **precision
        )
    with worded(folder, "restore"):
        content = {"average" if averaged else "supernet": supernet}
        status = tf.train.Checkpoint(**content).restore(latest)
        status.assert_existing_objects_matched().expect_partial()
    return supernet, step


def latest_step(folder: pathlib.Path) -> int:
    """The training step of the last weights that were saved.

    Args:
      folder: Folder of the checkpoints.

    Raises:
      InputError: There is no checkpoint, or the list of them is damaged.
    """
    return step_of(_latest(folder))


def _latest(folder: pathlib.Path) -> str:
    """The path of the last checkpoint."""
    if not (folder / "checkpoint").exists():
        raise errors.InputError(
            f"{folder} holds no checkpoint; train the supernet first"
        )
    state = tf.train.get_checkpoint_state(str(folder))
    if state is None:
        raise damaged(folder)
    return state.model_checkpoint_path


def step_of(checkpoint: str) -> int:
    """The training step of a checkpoint.

    Args:
      checkpoint: Path of the checkpoint, as TensorFlow gives it.
    """
    return int(checkpoint.rsplit("-", 1)[1])


def damaged(folder: pathlib.Path) -> errors.InputError:
    """The error for a folder whose list of checkpoints cannot be read."""
    return errors.InputError(
        f"cannot restore a checkpoint: {folder / 'checkpoint'} is damaged"
    )


@contextlib.contextmanager
def worded(folder: pathlib.Path, verb: str) -> Iterator[None]:
    """Turns a failure of TensorFlow's file operations into one line.

    Args:
      folder: Folder of the checkpoints.
      verb: Action of the body in the message, "save" or "restore".

    Raises:
      InputError: The body fails.
    """
    try:
        yield
    # TensorFlow's reader raises IndexError for a file that is too short.
    except (tf.errors.OpError, OSError, IndexError) as error:
        raise errors.InputError(
            f"cannot {verb} a checkpoint in {folder}: {errors.reason(error)}"
        ) from error
