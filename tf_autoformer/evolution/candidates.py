"""Files of candidates: the search's record, which is its memory, and fronts."""

import contextlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tf_autoformer import errors, files, rules
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost

_MOST = 2**63 - 1  # Largest cost that a line may have.
# What `_parse` raises for a value that is none of this program's.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError)


class CandidateFile:
    """A JSON-lines file, one line for each evaluated candidate.

    A line is `{"generation": 3, "origin": "mutation", "accuracy": 0.97,
    "params": …, "macs": …, "architecture": {…}}`, with as many costs as the
    candidate has. A race adds `"images"` to those that it stopped, and
    `"right"` to all. A search that is run again finds its candidates here and
    evaluates only what is missing.

    Args:
      path: Path of the file, which need not exist. A last line that a crash
        cut short is dropped.
      costs: Costs that every line must have.

    Attributes:
      known: Candidate of each architecture in the file, in its order.

    Raises:
      InputError: Another line is damaged or lacks a cost.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        costs: Sequence[cost.Cost] = (cost.PARAMS,),
    ):
        self._path = pathlib.Path(path)
        self._costs = costs
        self.known: dict[
            architecture_lib.Architecture, selection.Candidate
        ] = {}
        self._read()

    def _read(self) -> None:
        for number, line in enumerate(files.whole_lines(self._path), 1):
            try:
                candidate = _parse(files.parse_json(line))
                for each in self._costs:
                    if each.name not in candidate.costs:
                        raise KeyError(each.name)
            except _DAMAGE as error:
                raise errors.InputError(
                    f"{self._path}, line {number} is damaged: {error!r}"
                ) from error
            self.known[candidate.architecture] = candidate

    def append(self, candidate: selection.Candidate) -> None:
        """Writes a candidate through to the file.

        Raises:
          InputError: The file cannot be written or the disk is full.
        """
        self.known[candidate.architecture] = candidate
        files.append_json(self._path, _to_dict(candidate))


def accuracy_of(
    path: str | os.PathLike[str], architecture: architecture_lib.Architecture
) -> float | None:
    """The accuracy of one candidate in a file, which a search may be writing.

    Args:
      path: Path of a `CandidateFile`, which need not exist.
      architecture: Architecture of the candidate.

    Returns:
      The accuracy in [0, 1]. None if it was not evaluated on all images.
    """
    with contextlib.suppress(OSError):
        for line in pathlib.Path(path).read_bytes().splitlines():
            with contextlib.suppress(*_DAMAGE):
                found = _parse(files.parse_json(line))
                if found.architecture == architecture and found.images is None:
                    return found.accuracy
    return None


def write_front(
    path: str | os.PathLike[str], front: Sequence[selection.Candidate]
) -> None:
    """Writes the members of a front as a JSON list, in their order."""
    files.write_json(path, [_to_dict(candidate) for candidate in front])


def read_front(path: str | os.PathLike[str]) -> list[selection.Candidate]:
    """Reads what `write_front` wrote.

    Raises:
      InputError: The file is missing or damaged.
    """
    values = files.read_json(path)
    try:
        return [_parse(dict(each)) for each in values]
    except _DAMAGE as error:
        raise errors.InputError(f"{path} is damaged: {error!r}") from error


def _to_dict(candidate: selection.Candidate) -> dict[str, Any]:
    """The JSON form, which `_parse` reads."""
    return {
        "generation": candidate.generation,
        "origin": candidate.origin,
        "accuracy": candidate.accuracy,
        **({"images": candidate.images} if candidate.images else {}),
        **candidate.costs,
        "architecture": candidate.architecture.to_dict(),
        **({"right": candidate.right} if candidate.right else {}),
    }


def _parse(values: dict[str, Any]) -> selection.Candidate:
    accuracy = float(_number(values.pop("accuracy")))
    rules.require("accuracy", accuracy, rules.SHARE)
    generation = values.pop("generation")
    if type(generation) is not int or not 0 <= generation <= rules.LARGEST:
        raise ValueError(
            f"generation is {errors.shown(generation)}; it must be a whole "
            f"number from 0 to {rules.LARGEST}"
        )
    origin = values.pop("origin", "")
    right = values.pop("right", "")
    for text in (origin, right):
        if not isinstance(text, str):
            raise TypeError(f"{errors.shown(text)} is not a text")
    images = values.pop("images", None)
    if images is not None and (type(images) is not int or images < 1):
        raise ValueError(
            f"images is {errors.shown(images)}; it must be 1 or more"
        )
    return selection.Candidate(
        generation=generation,
        origin=origin,
        images=images,
        right=right,
        accuracy=accuracy,
        architecture=architecture_lib.Architecture.from_dict(
            values.pop("architecture")
        ),
        costs={name: _number(value) for name, value in values.items()},
    )


def _number(value: Any) -> float:
    """A number as JSON has it: an integer stays one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{errors.shown(value)} is not a number")
    if abs(value) > _MOST:
        raise ValueError(f"{errors.shown(value)} is more than {_MOST}")
    return value
