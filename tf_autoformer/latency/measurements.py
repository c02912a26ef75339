"""A file of measured latencies."""

import dataclasses
import hashlib
import os
import pathlib
import statistics
from typing import Any, Literal

from tf_autoformer import errors, files, rules
from tf_autoformer.latency import models
from tf_autoformer.latency import network as network_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import parsing

Architecture = architecture_lib.Architecture
Clock = Literal["wall", "cpu"]

# Fewer architectures would leave a predictor too little to learn from.
LEAST = 10


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is measured, and where: the latencies of a file have it in common.

    Attributes:
      network: Network of the architectures.
      runtime: Runtime that the subnets are deployed in.
      version: Package of the runtime and its version.
      machine: Processor, and number of its cores.
      batch_size: Number of images of a batch.
      threads: Number of threads that compute.
      clock: "wall": time that passes. "cpu": time that the processor works,
        which on one thread is the same, but for what other programs take.
    """

    network: network_lib.Network
    runtime: models.Runtime
    version: str
    machine: str
    batch_size: int = rules.field(1, rules.at_least(1))
    threads: int = rules.field(1, rules.at_least(1))
    clock: Clock = "wall"

    def __post_init__(self) -> None:
        rules.check(self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `from_dict` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "Setting":
        """Reads the JSON form.

        Raises:
          InputError: A field is missing, unknown or of the wrong type.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        values = parsing.fields("a setting", values, names)
        return cls(
            network_lib.Network.from_dict(values["network"]),
            *(
                parsing.typed(name, values[name], kind)
                for name, kind in zip(
                    names[1:], (str, str, str, int, int, str), strict=True
                )
            ),
        )

    def require(self, wanted: "Setting") -> None:
        """Checks that latencies of this setting are those that are wanted.

        Raises:
          InputError: They are not. The message names the first field that
            differs.
        """
        self.network.require(wanted.network)
        for name, found, needed in network_lib.differences(self, wanted):
            raise errors.InputError(
                f"it was measured with {name} {found!r}, now it is {needed!r}; "
                "use another file"
            )

    def __str__(self) -> str:
        """One line for a person to read."""
        return (
            f"{self.version}, batch {self.batch_size}, threads "
            f"{self.threads}, {self.clock} clock, on {self.machine}"
        )


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of one batch, in milliseconds, of some runs in a row.

    Attributes:
      median_ms: Median of the runs.
      quartiles_ms: First and third quartile of the runs.
      minimum_ms: Fastest run.
      runs: Number of runs.
    """

    median_ms: float = rules.field(dataclasses.MISSING, rules.POSITIVE)
    quartiles_ms: tuple[float, float]
    minimum_ms: float
    runs: int

    def __post_init__(self) -> None:
        rules.check(self)


class Measurements:
    """A JSON-lines file: its setting, then a line for each visit.

    Args:
      path: Path of the file. A last line that a crash cut short is not read,
        and the next line replaces it.

    Attributes:
      path: Path of the file.
      setting: Setting of all lines. None: the file does not exist.
      visits: Visits of each architecture, in their order.

    Raises:
      InputError: The file is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.setting: Setting | None = None
        self.visits: dict[Architecture, list[Times]] = {}
        self._read()

    def _read(self) -> None:
        for number, line in enumerate(files.whole_lines(self.path), 1):
            with errors.about(f"{self.path}, line {number}"):
                try:
                    values = files.parse_json(line)
                except ValueError as error:
                    raise errors.InputError(
                        f"it is not JSON: {error}"
                    ) from error
                if number == 1:
                    self.setting = Setting.from_dict(values)
                else:
                    values = dict(parsing.mapping("a line", values))
                    architecture = Architecture.from_dict(
                        values.pop("architecture", None)
                    )
                    self._add(architecture, parsing.config(Times, values))

    def _add(self, architecture: Architecture, times: Times) -> None:
        self.visits.setdefault(architecture, []).append(times)

    def claim(self, setting: Setting) -> None:
        """Begins the file, or checks that it has the same setting.

        Raises:
          InputError: It has another one, or cannot be written.
        """
        if self.setting is None:
            files.append_json(self.path, setting.to_dict())
            self.setting = setting
            return
        with errors.about(self.path):
            self.setting.require(setting)

    def append(self, architecture: Architecture, times: Times) -> None:
        """Writes a visit through to the file.

        Raises:
          InputError: The file cannot be written or the disk is full.
        """
        line = {"architecture": architecture.to_dict()}
        files.append_json(self.path, line | dataclasses.asdict(times))
        self._add(architecture, times)

    @property
    def digest(self) -> str:
        """A digest of the whole content."""
        content = self.path.read_bytes()
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def latencies(self) -> dict[Architecture, float]:
        """Latency of each architecture in milliseconds: its fastest run.

        Whatever disturbs a run makes it slower and never faster.
        """
        return {
            architecture: min(visit.minimum_ms for visit in visits)
            for architecture, visits in self.visits.items()
        }

    @property
    def spread(self) -> float:
        """Interquartile range of a visit's runs over their median, averaged."""
        return statistics.fmean(
            (times.quartiles_ms[1] - times.quartiles_ms[0]) / times.median_ms
            for visits in self.visits.values()
            for times in visits
        )

    @property
    def noise(self) -> float | None:
        """Mean relative difference of a latency that is measured twice.

        Each half of an architecture's visits is one measurement. None if no
        architecture has two visits.
        """
        differences = []
        for visits in self.visits.values():
            if len(visits) > 1:
                first, second = (
                    min(times.minimum_ms for times in visits[half::2])
                    for half in (0, 1)
                )
                differences.append(2 * abs(first - second) / (first + second))
        return statistics.fmean(differences) if differences else None
