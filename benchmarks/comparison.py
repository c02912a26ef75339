"""The supernet that both sides run, and the turns that they take."""

import dataclasses
import datetime
import importlib.util
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks import worker
from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, sampling, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
NETWORK = model_lib.ModelConfig(num_classes=1000)
# Names of the search spaces that the paper published a subnet of.
MODELS = tuple(
    name
    for name, space in search_space.SEARCH_SPACES.items()
    if space.published
)
# The runtimes' threads keep spinning for a while before they sleep.
_PAUSE_SECONDS = 0.3
_REPORT_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Subject:
    """A supernet that both sides have, and how long it is measured.

    Attributes:
      model: Name of the search space.
      precision: "float32" or "bfloat16".
      batch_size: Images per step.
      rounds: Turns of each side.
      steps: Steps per turn.
      seed: Seed of weights, images and architectures.
      code: Folder of the official code; empty if no case needs it.
      device: "cpu" or "gpu".
      compile: Our flag of this name: "auto", "on" or "off".
      python: Interpreter of the official code's process.
    """

    model: str
    precision: str
    batch_size: int
    rounds: int
    steps: int
    seed: int
    code: str = ""
    device: str = "cpu"
    compile: str = "auto"
    python: str = sys.executable

    def __str__(self) -> str:
        return f"{self.model}, {self.precision}"

    @property
    def space(self) -> search_space.SearchSpace:
        """The search space of the supernet."""
        return search_space.SEARCH_SPACES[self.model]

    def draw(self, count: int) -> list[Architecture]:
        """Random architectures, the same at every call."""
        rng = random.Random(self.seed)
        return [sampling.uniform(self.space, rng) for _ in range(count)]

    def flop(self, architecture: Architecture) -> int:
        """Floating-point operations of one batch's forward pass."""
        parts = cost.macs_by_part(NETWORK, architecture)
        return 2 * self.batch_size * sum(parts.values())

    def ours(self, compile_cache: str = "") -> worker.Worker:
        """Starts this package's process.

        Args:
          compile_cache: Our flag of this name.
        """
        return worker.Worker(
            "benchmarks.ours",
            subject=dataclasses.asdict(self),
            compile_cache=compile_cache,
        )

    def official(self) -> worker.Worker:
        """Starts the official code's process."""
        return worker.Worker(
            "benchmarks.official", self.python, subject=dataclasses.asdict(self)
        )


def require_installed(libraries: Iterable[str], arguments: str) -> None:
    """Fails before the work that would miss a library.

    Args:
      libraries: Names of the libraries' packages.
      arguments: Arguments of `pip install` that installs them.

    Raises:
      InputError: One is missing.
    """
    missing = [name for name in libraries if not importlib.util.find_spec(name)]
    if missing:
        raise errors.InputError(
            f"{', '.join(sorted(missing))} must be installed: "
            f"pip install {arguments}"
        )


class Referee:
    """Lets processes take turns, and reports progress on stderr.

    Args:
      total: Number of rounds in the whole benchmark.
    """

    def __init__(self, total: int):
        self._total = total
        self._done = 0
        self._doing = ""
        self._start = self._said = time.monotonic()

    def begin(self, doing: str) -> None:
        """Reports the case that is measured from now on."""
        self._doing = doing
        self._say()

    def end_round(self) -> None:
        """Counts a round that has ended."""
        self._done += 1
        spent = time.monotonic() - self._said
        if spent > _REPORT_SECONDS and self._done < self._total:
            self._say()

    def alternate(
        self,
        case: str,
        workers: Sequence[worker.Worker],
        requests: Sequence[Sequence[Mapping[str, Any]]],
    ) -> list[list[float]]:
        """The seconds that each worker takes, one worker at a time.

        Every other round reverses the order, so that no worker is always first.

        Args:
          case: Case that all workers run.
          workers: Workers that take turns.
          requests: For each worker, its arguments in each round.
        """
        seconds: list[list[float]] = [[] for _ in workers]
        order = list(range(len(workers)))
        for arguments in zip(*requests, strict=True):
            for side in order:
                time.sleep(_PAUSE_SECONDS)
                seconds[side] += workers[side].ask(case, **arguments[side])
            order.reverse()
            self.end_round()
        return seconds

    def _say(self) -> None:
        self._said = time.monotonic()
        left = "?"
        if self._done:  # An estimate, as if all rounds took as long.
            rate = (self._said - self._start) / self._done
            seconds = round(rate * (self._total - self._done))
            left = str(datetime.timedelta(seconds=seconds))
        print(
            f"round {self._done + 1} of {self._total}, ETA {left}: "
            f"{self._doing}",
            file=sys.stderr,
            flush=True,
        )
