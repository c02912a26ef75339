r"""Compares the search's drivers on a trained supernet, at equal evaluations.

  python -m benchmarks.drivers --workdir=runs/digits \
      --flagfile=flags/digits/search.flags --memory=runs/accuracies.jsonl

Every driver runs with several seeds. The accuracy of an architecture follows
from the supernet, so it is computed once and kept in the file. The same command
run again continues there.
"""

import contextlib
import dataclasses
import logging
import operator
import pathlib
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from unittest import mock

from benchmarks import table
from tf_autoformer import binary, flag_fields, progress, rules
from tf_autoformer.evolution import (
    algorithm,
    candidates,
    drivers,
    front,
    operators,
    selection,
)
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost, sampling, search_space

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture
_LATE = "evolution, late blocks"
_BEST = 20
_MUTATE = operators.mutate
_HEADER = (
    *("driver", "best accuracy", f"mean of the best {_BEST}"),
    *("as good as evolution", "after evaluations"),
    *("hypervolume", "as much as random", "blocks shared", "s to propose"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      workdir: Working folder of the supernet.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      memory: JSON-lines file of the accuracies, which is made or continued.
      seeds: Number of searches of each driver.
      ranges: Mapping of the name of each bounded cost to its range.
      evolution: Sizes and parameters of the searches. The driver and the seed
        are those of each search.
    """

    workdir: pathlib.Path
    data_dir: str | None = None
    memory: pathlib.Path
    seeds: int = rules.field(5, rules.at_least(2))
    ranges: Mapping[str, constraint_lib.Range] = flag_fields.ranges(cost.COSTS)
    evolution: algorithm.EvolutionConfig


@dataclasses.dataclass
class Run:
    """What one search did.

    Attributes:
      candidates: Candidates in the order in which they were proposed.
      seconds: Time to propose a generation, on average.
    """

    candidates: list[selection.Candidate]
    seconds: float

    @property
    def best(self) -> float:
        """The best accuracy."""
        return max(each.accuracy for each in self.candidates)

    @property
    def mean_of_best(self) -> float:
        """The mean accuracy of the best 20. It has fewer ties than the best."""
        ranking = selection.ranked(self.candidates)
        return statistics.mean(each.accuracy for each in ranking[:_BEST])

    def evaluations(self, accuracy: float) -> int | None:
        """The number of candidates up to one of this accuracy, if any is."""
        for number, each in enumerate(self.candidates, 1):
            if each.accuracy >= accuracy:
                return number
        return None

    @property
    def shared(self) -> float:
        """The share of blocks that need no evaluation of their own.

        Candidates of a generation with equal embedding dimensions and equal
        first blocks share what these compute.
        """
        blocks, prefixes = 0, set()
        for each in self.candidates:
            chosen = sampling.blocks_of(each.architecture)
            blocks += len(chosen)
            prefixes |= {
                (
                    each.generation,
                    each.architecture.embed_dim,
                    tuple(chosen[: end + 1]),
                )
                for end in range(len(chosen))
            }
        return 1 - len(prefixes) / blocks


def main(options: Options) -> None:
    """Runs all searches, and prints the table."""
    evaluate = _Evaluation(options)
    runs: dict[str, list[Run]] = {}
    for name in (*drivers.DRIVERS, _LATE):
        runs[name] = [
            _run(name, options.evolution, evaluate.constraint, evaluate, seed)
            for seed in range(options.seeds)
        ]
    volume = front.Front(
        ("accuracy", "params"), evaluate.constraint, cost.COSTS
    )
    print(f"| {' | '.join(_HEADER)} |")
    print(f"|{'---|' * len(_HEADER)}")
    for name, found in runs.items():
        print(f"| {' | '.join((name, *_row(found, runs, volume)))} |")
    print()
    print(table.provenance("python -m benchmarks.drivers"))


def _row(
    found: Sequence[Run],
    runs: Mapping[str, Sequence[Run]],
    volume: front.Front,
) -> Iterator[str]:
    """The cells of a driver."""
    yield _spread([run.best for run in found], "{:.2%}")
    yield _spread([run.mean_of_best for run in found], "{:.2%}")
    reached = [
        run.evaluations(other.best)
        for run, other in zip(found, runs["evolution"], strict=True)
    ]
    numbers = [number for number in reached if number is not None]
    yield f"{len(numbers)} of {len(found)}"
    yield _spread(numbers, "{:.0f}")
    volumes, by_chance = (
        [volume.hypervolume(run.candidates) for run in some]
        for some in (found, runs["random"])
    )
    yield _spread(volumes, "{:.4f}")
    as_much = sum(map(operator.ge, volumes, by_chance))
    yield f"{as_much} of {len(found)}"
    yield _spread([run.shared for run in found], "{:.1%}")
    yield f"{statistics.mean(run.seconds for run in found):.2f}"


def _spread(values: Sequence[float], form: str) -> str:
    """The mean, and the smallest and the largest value."""
    if not values:
        return "–"
    mean, low, high = map(
        form.format, (statistics.mean(values), min(values), max(values))
    )
    return f"{mean} ({low} to {high})"


class _Evaluation:
    """Accuracies of the supernet's subnets, each computed once.

    Attributes:
      constraint: Constraint of all searches.
    """

    def __init__(self, options: Options):
        import tensorflow as tf

        from tf_autoformer.evaluation import accuracy, generation
        from tf_autoformer.supernet import parallel

        parallel.use_cores()
        workdir = workdir_lib.Workdir(options.workdir)
        strategy = tf.distribute.get_strategy()
        trained = workdir.trained(strategy, options.data_dir)
        evaluator = accuracy.Evaluator(
            strategy, trained.supernet, trained.dataset, "validation"
        )
        self._accuracies = lambda new: generation.accuracies(evaluator, new)
        costs = {each.name: each for each in cost.COSTS}
        self.constraint = constraint_lib.Constraint(
            workdir.experiment.space,
            workdir.experiment.model,
            {costs[name]: each for name, each in options.ranges.items()},
        )
        self._memory = candidates.CandidateFile(options.memory)

    def __call__(
        self, number: int, members: Mapping[Architecture, str]
    ) -> list[selection.Candidate]:
        """The candidates of a generation. See `algorithm.Evaluate`."""
        known = self._memory.known
        new = [each for each in members if each not in known]
        for architecture, found in self._accuracies(new).items():
            costs = cost.measured(
                cost.COSTS, self.constraint.model, architecture
            )
            self._memory.append(
                selection.Candidate(number, architecture, found, costs)
            )
        return [
            dataclasses.replace(known[each], generation=number, origin=origin)
            for each, origin in members.items()
        ]


def _run(
    name: str,
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
    seed: int,
) -> Run:
    """One search of the driver of this name."""
    driver = "evolution" if name == _LATE else name
    config = dataclasses.replace(config, driver=driver, search_seed=seed)
    run = Run([], 0.0)
    evaluating = 0.0

    def timed(
        number: int, members: Mapping[Architecture, str]
    ) -> list[selection.Candidate]:
        nonlocal evaluating
        start = time.monotonic()
        found = list(evaluate(number, members))
        run.candidates += found
        evaluating += time.monotonic() - start
        return found

    patched = (
        mock.patch.object(operators, "mutate", _mutate_late)
        if name == _LATE
        else contextlib.nullcontext()
    )
    start = time.monotonic()
    with (
        patched,
        progress.Meter(0, config.candidates, "candidates", name) as meter,
    ):
        for ranking in drivers.DRIVERS[driver](config, constraint, timed):
            meter.advance(len(ranking))
            if meter.in_lines:
                line = meter.line(len(ranking))
                _LOGGER.info("%s, seed %d: %s", name, seed, line)
    elapsed = time.monotonic() - start
    run.seconds = (elapsed - evaluating) / config.generations
    return run


def _mutate_late(
    space: search_space.SearchSpace,
    parent: Architecture,
    depth_probability: float,
    layer_probability: float,
    rng: random.Random,
) -> Architecture:
    """Like `operators.mutate`, but late blocks change more often.

    The probability grows in proportion to the block's number. On average over
    the blocks it is P_m, unless that takes more than 1.
    """
    mutant = _MUTATE(space, parent, depth_probability, 0.0, rng)
    blocks = sampling.blocks_of(mutant)
    slope = 2 * layer_probability / (len(blocks) + 1)
    return sampling.from_blocks(
        mutant.embed_dim,
        [
            sampling.block(space, rng)
            if rng.random() < slope * number
            else unchanged
            for number, unchanged in enumerate(blocks, 1)
        ],
    )


if __name__ == "__main__":
    binary.run(main, Options)
