"""The file of all candidates: the search's record and its memory."""

import json
import os
import pathlib
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.evolution import algorithm
from tf_autoformer.space import architecture as architecture_lib

Candidate = algorithm.Candidate


class CandidateFile:
    """A JSON-lines file, one line for each evaluated candidate.

    A line is `{"generation": 3, "accuracy": 0.97, "params": …, "macs": …,
    "architecture": {…}}`. A search that is run again finds its candidates
    here and evaluates only what is missing.

    Args:
      path: read if it exists. A last line that a crash cut short is dropped.

    Raises:
      InputError: another line is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._path = pathlib.Path(path)
        self.known: dict[architecture_lib.Architecture, Candidate] = {}
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        whole, _, torn = self._path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                candidate = _parse(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise errors.InputError(
                    f"{self._path}, line {number} is damaged: {error!r}"
                ) from error
            self.known[candidate.architecture] = candidate
        if torn:
            files.write_bytes(self._path, whole + b"\n" if whole else b"")

    def append(self, candidate: Candidate) -> None:
        """Writes a candidate through to the file."""
        self.known[candidate.architecture] = candidate
        values = {
            "generation": candidate.generation,
            "accuracy": candidate.accuracy,
            **candidate.costs,
            "architecture": candidate.architecture.to_dict(),
        }
        with (
            files.make_writable(self._path.parent),
            self._path.open("a") as file,
        ):
            file.write(json.dumps(values) + "\n")


def _parse(values: dict[str, Any]) -> Candidate:
    candidate = Candidate(
        generation=int(values.pop("generation")),
        accuracy=float(values.pop("accuracy")),
        architecture=architecture_lib.Architecture.from_dict(
            values.pop("architecture")
        ),
        costs={name: int(value) for name, value in values.items()},
    )
    if "params" not in candidate.costs:
        raise KeyError("params")
    return candidate
