"""What a working folder was made with: everything that decides its result."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.data import config as data_config
from tf_autoformer.data import datasets
from tf_autoformer.space import model, parsing, search_space
from tf_autoformer.training import config


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A supernet, its search space, and how it is trained.

    Attributes:
      dataset: name of the data set.
      model: the fixed part of the network.
      space: the architectures of the supernet.
      training: the recipe; None for weights from elsewhere, until they are
        trained further.
      augmentation: the part of the recipe that changes images; likewise.
    """

    dataset: str
    model: model.ModelConfig
    space: search_space.SearchSpace
    training: config.TrainingConfig | None
    augmentation: data_config.AugmentationConfig | None = None


def load(workdir: str | os.PathLike[str]) -> Experiment:
    """Reads `config.json` of a working folder.

    Raises:
      InputError: it is missing or not one of ours.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        raise errors.InputError(
            f"{path} does not exist; train a supernet there or convert "
            "one first"
        )
    values = files.read_json(path)
    with errors.about(f"{path} is not a configuration of this program"):
        names = [field.name for field in dataclasses.fields(Experiment)]
        parsing.fields("an experiment", values, names)
        return Experiment(
            dataset=_checked("dataset", values["dataset"], str),
            model=_from_dict(model.ModelConfig, values["model"]),
            space=search_space.SearchSpace.from_dict(values["space"]),
            **{
                name: None
                if values[name] is None
                else _from_dict(kind, values[name])
                for name, kind in _RECIPE.items()
            },
        )


_RECIPE = {
    "training": config.TrainingConfig,
    "augmentation": data_config.AugmentationConfig,
}


def _from_dict(kind: type, values: Any) -> Any:
    """Builds a dataclass of plain values from parsed JSON."""
    fields = dataclasses.fields(kind)
    names = [field.name for field in fields]
    parsing.fields(f"a {kind.__name__}", values, names)
    return kind(
        **{
            field.name: _checked(field.name, values[field.name], field.type)
            for field in fields
        }
    )


def _checked(name: str, value: Any, kind: Any) -> Any:
    """`value`, which must be of the type of a dataclass's field."""
    if kind == model.ImageSize and isinstance(value, list) and len(value) == 2:
        return tuple(_checked(name, side, int) for side in value)
    allowed = {
        bool: bool,
        int: int,
        float: (int, float),
        model.ImageSize: int,
    }.get(kind, str)  # A Literal's choices are checked by the dataclass.
    if isinstance(value, bool) != (kind is bool) or not isinstance(
        value, allowed
    ):
        raise errors.InputError(f"{name} is {value!r}, of the wrong type")
    return value


def claim_splits(
    workdir: str | os.PathLike[str], dataset: datasets.Dataset
) -> None:
    """Writes down what is trained on, or checks that it is still the same.

    Else a search might be evaluated on images that were trained on.

    Args:
      workdir: gets the file `splits.json`.
      dataset: of the experiment.

    Raises:
      InputError: the data set's splits were others before.
    """
    path = pathlib.Path(workdir) / "splits.json"
    summary = dataset.summary()
    if not path.exists():
        files.write_json(path, summary)
    elif files.read_json(path) != summary:
        raise errors.InputError(
            f"{path} has other splits than the data set has now, {summary}; "
            "its images have changed; use those of before, or another workdir"
        )


def claim(
    folder: str | os.PathLike[str], configuration: Mapping[str, Any]
) -> None:
    """Makes a folder for a configuration, or checks that it is of the same.

    What the folder's configuration left open (null) is filled in.

    Args:
      folder: gets the file `config.json`.
      configuration: of strings, numbers, tuples and mappings of these.

    Raises:
      InputError: the folder cannot be written, or was made with another
        configuration; the message names the first field that differs.
    """
    path = pathlib.Path(folder) / "config.json"
    files.require_writable(folder)
    if not path.exists():
        files.write_json(path, configuration)
        return
    stored = files.read_json(path)
    completed = stored
    if isinstance(stored, Mapping):
        completed = {
            name: configuration.get(name) if value is None else value
            for name, value in stored.items()
        }
    found = dict(_flatten(completed))
    wanted = dict(_flatten(configuration))
    for field in sorted(found.keys() | wanted.keys()):
        before, now = found.get(field), wanted.get(field)
        if before != now:
            raise errors.InputError(
                f"{path} was made with {field} {before!r}, now it is {now!r}; "
                "use the same value or another folder"
            )
    if completed != stored:
        files.write_json(path, completed)


def _flatten(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _flatten(value, f"{path}.{key}" if path else key)
    elif isinstance(values, tuple):
        yield path, list(values)
    else:
        yield path, values
