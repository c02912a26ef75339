"""The working folder of a supernet and of all that is made from it."""

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tf_autoformer import errors, files, rules
from tf_autoformer.data.sources import names
from tf_autoformer.experiment import data_record as record_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.space import parsing

if TYPE_CHECKING:
    import tensorflow as tf

    from tf_autoformer.data.sources import datasets
    from tf_autoformer.experiment import weights


class SearchFolder:
    """The folder of one search. It owns the names of its files.

    Attributes:
      workdir: Working folder of the supernet.
      root: Path of the folder.
      name: Name of the search.
      config: JSON file of the search's configuration.
      candidates: JSON-lines file of every evaluated candidate.
      best: JSON file of the best architecture so far.
      report: HTML page of the report.
      partial: JSON file of a generation that is not yet evaluated to its end.
      front: JSON file of the front so far, of a search for one.
      latency: JSON-lines file of the latencies measured for the search.
      log: Folder of the TensorBoard log.
    """

    def __init__(self, workdir: "Workdir", name: str):
        self.workdir = workdir
        self.root = workdir.root / "search" / name
        self.name = name
        self.config = self.root / "config.json"
        self.candidates = self.root / "candidates.jsonl"
        self.best = self.root / "best.json"
        self.report = self.root / "report.html"
        self.partial = self.root / "partial.json"
        self.front = self.root / "front.json"
        self.latency = self.root / "latency.jsonl"
        self.log = workdir.log(f"search_{name}")

    def picture(self, name: str) -> pathlib.Path:
        """Path of the picture of this name."""
        return self.root / f"{name}.png"

    def top(self, rank: int) -> pathlib.Path:
        """JSON file of the architecture of this rank, from 1."""
        return self.root / f"top_{rank}.json"

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
      data: JSON file of the data that the supernet was trained on.
      splits: JSON file that the first versions wrote in place of `data`.
      checkpoints: Folder of the checkpoints.
      logs: Folder of all TensorBoard logs.
      finetuning: JSON file of how a fine-tuned network was made.
      result: JSON file of the validation accuracy of a fine-tuned network.
      backup: Folder of the state of a fine-tuning that is not finished.
      best: Folder of the best weights of a fine-tuning that is not finished.
    """

    def __init__(self, root: str | os.PathLike[str]):
        self.root = pathlib.Path(root)
        self.config = self.root / "config.json"
        self.data = self.root / "data.json"
        self.splits = self.root / "splits.json"
        self.checkpoints = self.root / "checkpoints"
        self.logs = self.root / "tensorboard"
        self.finetuning = self.root / "finetuning.json"
        self.result = self.root / "result.json"
        self.backup = self.root / "backup"
        self.best = self.root / "best"

    def log(self, name: str) -> pathlib.Path:
        """Folder of the TensorBoard log of this name."""
        return self.logs / name

    @property
    def validation_accuracy(self) -> float | None:
        """The accuracy of a fine-tuned network in [0, 1]. None: of others.

        Raises:
          InputError: Its file is damaged.
        """
        if not self.result.exists():
            return None
        name = "validation_accuracy"
        with errors.about(self.result):
            values = parsing.fields(
                "a result", files.read_json(self.result), [name]
            )
            accuracy = parsing.typed(name, values[name], float)
            rules.require(name, accuracy, rules.SHARE)
        return accuracy

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

    def require_supernet(self) -> None:
        """Checks that the folder is none of a network of one subnet.

        Raises:
          InputError: It is. Fine-tuning and studies make such folders.
        """
        if self.experiment.architecture is not None:
            raise errors.InputError(
                f"{self.root} is the folder of a network of one subnet; use "
                "the folder of a supernet, or a new one"
            )

    @functools.cached_property
    def data_record(self) -> record_lib.DataRecord | None:
        """The data of the supernet. None: no version has written it yet.

        Raises:
          InputError: `data.json` is none of this program's.
        """
        if not self.data.exists():
            return None
        values = files.read_json(self.data)
        with errors.about(f"{self.data} is not a record of this program"):
            return record_lib.DataRecord.from_dict(values)

    def claim(
        self,
        experiment: experiment_lib.Experiment,
        dataset: "datasets.Dataset | None" = None,
    ) -> None:
        """Binds the folder to an experiment, or checks that it is the same.

        A part of the recipe that the folder lacks is filled in. A folder of
        images that has moved takes the place of the one before.

        Args:
          experiment: Experiment that is about to run in the folder.
          dataset: Data set that it runs on. None: none is read.

        Raises:
          InputError: The folder cannot be written, was made with another
            experiment, or the data set has other classes or images than
            before. The message names the first field, class or split that
            differs.
        """
        files.require_writable(self.root)
        data = None if dataset is None else record_lib.of(dataset)
        completed = experiment
        if self.is_bound:
            found = self.experiment
            completed = dataclasses.replace(
                found,
                training=found.training or experiment.training,
                augmentation=found.augmentation or experiment.augmentation,
            )
            if self._is_moved(experiment.dataset, data):
                completed = dataclasses.replace(
                    completed, dataset=experiment.dataset
                )
            require_same(self.config, completed.to_dict(), experiment.to_dict())
        if dataset is not None:
            self._require_splits(dataset, data.splits)
            self.record(data)
        if not self.is_bound or completed != self.experiment:
            files.write_json(self.config, completed.to_dict())
            self.__dict__["experiment"] = completed

    def record(self, data: record_lib.DataRecord) -> None:
        """Writes down the data of the supernet."""
        if data != self.data_record:
            files.write_json(self.data, data.to_dict())
            self.__dict__["data_record"] = data

    def require_data(
        self, dataset: "datasets.Dataset", *splits: names.Split
    ) -> None:
        """Checks that the images are those of before.

        With others, a search or a report might be evaluated on images that the
        supernet was trained on.

        Args:
          dataset: Data set of the experiment.
          *splits: Splits that are about to be read.

        Raises:
          InputError: A split has other images. The message names it.
        """
        self._require_splits(
            dataset, {split: dataset.record(split) for split in splits}
        )

    def _require_splits(
        self,
        dataset: "datasets.Dataset",
        found: Mapping[str, Mapping[str, int | str]],
    ) -> None:
        """See `require_data`. `found` are the records of the splits."""
        known = self.data_record
        if known is not None:
            with errors.about(self.data):
                for split, record in found.items():
                    known.require(split, record)
        elif self.splits.exists():
            summary = dataset.summary()
            if files.read_json(self.splits) != summary:
                raise errors.InputError(
                    f"{self.splits} has other splits than the data set has "
                    f"now, {summary}; its images have changed; use those of "
                    "before, or another workdir"
                )

    def _is_moved(self, name: str, data: record_lib.DataRecord | None) -> bool:
        """Whether this is the folder of images of before, in another place."""
        known = self.data_record
        return (
            known is not None
            and data is not None
            and known.splits == data.splits
            and name.startswith(names.FOLDER)
            and self.experiment.dataset.startswith(names.FOLDER)
        )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other trainings out of the folder. See `files.lock`."""
        return files.lock(self.root)

    def trained(
        self,
        strategy: "tf.distribute.Strategy",
        data_dir: str | None = None,
        dataset: str | None = None,
    ) -> "weights.Trained":
        """The supernet as last saved, with its experiment and data set.

        Args:
          strategy: Strategy to create the variables under.
          data_dir: Folder of prepared data sets. None: TFDS's default.
          dataset: Name of the data set. None: the experiment's.

        Raises:
          InputError: There is no checkpoint, or it is damaged.
        """
        # TensorFlow is imported only where there are weights to read.
        from tf_autoformer.experiment import weights

        return weights.Trained(self, strategy, data_dir, dataset)


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
