"""The working folder of a supernet and of all that is made from it."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tf_autoformer import errors, files
from tf_autoformer.experiment import experiment as experiment_lib

if TYPE_CHECKING:
    import tensorflow as tf

    from tf_autoformer.experiment import weights


class SearchFolder:
    """The folder of one search. It owns the names of its files.

    Attributes:
      root: Path of the folder.
      name: Name of the search.
      config: JSON file of the search's configuration.
      candidates: JSON-lines file of every evaluated candidate.
      best: JSON file of the best architecture so far.
      log: Folder of the TensorBoard log.
    """

    def __init__(self, workdir: "Workdir", name: str):
        self.root = workdir.root / "search" / name
        self.name = name
        self.config = self.root / "config.json"
        self.candidates = self.root / "candidates.jsonl"
        self.best = self.root / "best.json"
        self.log = workdir.log(f"search_{name}")

    def picture(self, name: str) -> pathlib.Path:
        """Path of the picture of this name."""
        return self.root / f"{name}.png"

    def pictures(self) -> list[pathlib.Path]:
        """Paths of all pictures that exist, sorted."""
        return sorted(self.root.glob("*.png"))


class Workdir:
    """The folder of a supernet and of all that is made from it.

    It owns the names of its files and parses its configuration once.

    Args:
      root: Path of the folder, which need not exist.

    Attributes:
      root: Path of the folder.
      config: JSON file of the experiment.
      splits: JSON file of the sizes and the digest of the data set's splits.
      checkpoints: Folder of the checkpoints.
      logs: Folder of all TensorBoard logs.
    """

    def __init__(self, root: str | os.PathLike[str]):
        self.root = pathlib.Path(root)
        self.config = self.root / "config.json"
        self.splits = self.root / "splits.json"
        self.checkpoints = self.root / "checkpoints"
        self.logs = self.root / "tensorboard"

    def log(self, name: str) -> pathlib.Path:
        """Folder of the TensorBoard log of this name."""
        return self.logs / name

    def search(self, name: str) -> SearchFolder:
        """The folder of the search of this name."""
        return SearchFolder(self, name)

    def export(self, version: int) -> pathlib.Path:
        """Folder of the SavedModel of this version, where TF Serving looks."""
        return self.root / "export" / str(version)

    @property
    def is_bound(self) -> bool:
        """Whether the folder belongs to an experiment."""
        return self.config.exists()

    @functools.cached_property
    def experiment(self) -> experiment_lib.Experiment:
        """The experiment that the folder was made with.

        Raises:
          InputError: `config.json` is missing, or no configuration of this
            program.
        """
        if not self.is_bound:
            raise errors.InputError(
                f"{self.config} does not exist; train a supernet there or "
                "convert one first"
            )
        values = files.read_json(self.config)
        with errors.about(
            f"{self.config} is not a configuration of this program"
        ):
            return experiment_lib.Experiment.from_dict(values)

    def claim(self, experiment: experiment_lib.Experiment) -> None:
        """Binds the folder to an experiment, or checks that it is the same.

        A part of the recipe that the folder lacks is filled in.

        Args:
          experiment: Experiment that is about to run in the folder.

        Raises:
          InputError: The folder cannot be written, or was made with another
            experiment. The message names the first field that differs.
        """
        files.require_writable(self.root)
        if self.is_bound:
            found = self.experiment
            completed = dataclasses.replace(
                found,
                training=found.training or experiment.training,
                augmentation=found.augmentation or experiment.augmentation,
            )
            require_same(self.config, completed.to_dict(), experiment.to_dict())
            if completed == found:
                return
        files.write_json(self.config, experiment.to_dict())
        self.__dict__["experiment"] = experiment

    def claim_splits(self, summary: Mapping[str, int | str]) -> None:
        """Binds the folder to splits, or checks that they are the same.

        With other splits a search might be evaluated on training images.

        Args:
          summary: Sizes and digest of the splits. See `Dataset.summary`.

        Raises:
          InputError: The folder has other splits.
        """
        if not self.splits.exists():
            files.write_json(self.splits, summary)
        elif files.read_json(self.splits) != summary:
            raise errors.InputError(
                f"{self.splits} has other splits than the data set has now, "
                f"{summary}; its images have changed; use those of before, or "
                "another workdir"
            )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other trainings out of the folder. See `files.lock`."""
        return files.lock(self.root)

    def trained(
        self, strategy: "tf.distribute.Strategy", data_dir: str | None = None
    ) -> "weights.Trained":
        """The supernet as last saved, with its experiment and data set.

        Args:
          strategy: Strategy to create the variables under.
          data_dir: Folder of prepared data sets. None: TFDS's default.

        Raises:
          InputError: There is no checkpoint, or it is damaged.
        """
        # TensorFlow is imported only where there are weights to read.
        from tf_autoformer.experiment import weights

        return weights.Trained(
            self.checkpoints, self.experiment, strategy, data_dir
        )


def require_same(
    path: pathlib.Path, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Checks that a folder's configuration is the wanted one.

    Args:
      path: File of the configuration found, for the message.
      found: Mapping of names to plain values, tuples and mappings of these.
      wanted: Mapping as `found`.

    Raises:
      InputError: They differ. The message names the first field that does.
    """
    old, new = dict(_flatten(found)), dict(_flatten(wanted))
    for field in sorted(old.keys() | new.keys()):
        before, now = old.get(field), new.get(field)
        if before != now:
            raise errors.InputError(
                f"{path} was made with {field} {before!r}, now it is {now!r}; "
                "use the same value or another folder"
            )


def _flatten(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _flatten(value, f"{path}.{key}" if path else key)
    elif isinstance(values, tuple):
        yield path, list(values)
    else:
        yield path, values
