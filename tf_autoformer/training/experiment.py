"""What a working folder was made with: everything that decides its result."""

import dataclasses
import os
import pathlib
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.space import model, search_space
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
    """

    dataset: str
    model: model.ModelConfig
    space: search_space.SearchSpace
    training: config.TrainingConfig | None


def _from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """Builds a dataclass of tuples and dataclasses from parsed JSON."""
    arguments = {}
    for field in dataclasses.fields(kind):
        value = values[field.name]
        if isinstance(value, Mapping):
            kinds = typing.get_args(field.type) or (field.type,)
            nested = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
            value = _from_dict(nested[0], value)
        elif isinstance(value, list):
            value = tuple(value)
        arguments[field.name] = value
    return kind(**arguments)


def load(workdir: str | os.PathLike[str]) -> Experiment:
    """Reads `config.json` of a working folder.

    Raises:
      InputError: it is missing or not one of ours.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        raise errors.InputError(
            f"{path} does not exist; train a supernet there first"
        )
    values = files.read_json(path)
    try:
        return _from_dict(Experiment, values)
    except (LookupError, TypeError) as error:
        raise errors.InputError(
            f"{path} is not a configuration of this program: {error!r}"
        ) from error


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
