r"""Compares the official order of a search's work with that of this package.

  python -m benchmarks.search_order --workdir=runs/digits \
      --update=docs/search.md

The official code evaluates each candidate alone, reads and decodes the images
again for each, and scores the test images as well. Here a generation is one
pass over the validation images. Both sides have the same supernet, images and
candidates: some generations of a search that has ended. The sides take turns in
one process. Run nothing else on the machine at the same time.
"""

import dataclasses
import itertools
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks import comparison, table, whole
from tf_autoformer import binary, errors, rules
from tf_autoformer.data import pipeline, preprocessing
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import accuracy, generation, racing
from tf_autoformer.evolution import algorithm, candidates, selection
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.supernet import parallel

Architecture = architecture_lib.Architecture
_AIMS = {"one pass": 3, "one pass, racing": 10}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      workdir: Working folder of a supernet with a search that has ended.
      name: Name of the search.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      generations: Number of generations to measure, spread over the search.
      rounds: Number of turns of each side.
      parents: Number of best candidates that a race keeps.
      update: Markdown file whose table to replace.
    """

    workdir: pathlib.Path = rules.field(dataclasses.MISSING)
    name: str = "default"
    data_dir: str | None = None
    generations: int = rules.field(3, lower_bound=1)
    rounds: int = rules.field(2, lower_bound=1)
    parents: int = rules.field(
        algorithm.EvolutionConfig().parents, lower_bound=1
    )
    update: pathlib.Path | None = None


class Alone:
    """The official order: every candidate alone, on two splits.

    Args:
      trained: Supernet with its data set.
    """

    def __init__(self, trained: Any):
        self._forward = whole.Forward(trained.supernet)
        self._dataset = trained.dataset
        size = trained.supernet.model.input_size
        source = trained.dataset.source
        # Endless, so that no time goes into starting a pipeline for each.
        self._batches = {
            split: iter(
                pipeline.images(trained.dataset, split, size)
                .batch(accuracy.BATCH_SIZE)
                .map(
                    lambda pixels, labels: (
                        preprocessing.normalize(
                            pixels, source.mean, source.std
                        ),
                        labels,
                    ),
                    num_parallel_calls=tf.data.AUTOTUNE,
                )
                .repeat()
                .prefetch(1)
            )
            for split in ("validation", "test")
        }

    def accuracies(
        self, split: datasets.Split, members: Sequence[Architecture]
    ) -> list[float]:
        """The accuracy of each architecture on a split."""
        total = self._dataset.num_examples(split)
        count = math.ceil(total / accuracy.BATCH_SIZE)
        return [
            sum(
                np.count_nonzero(
                    np.argmax(self._forward(images, member), axis=1) == labels
                )
                for images, labels in itertools.islice(
                    self._batches[split], count
                )
            )
            / total
            for member in members
        ]


class Seconds(NamedTuple):
    """Time that a generation took.

    Attributes:
      wall: Seconds on the clock.
      cpu: Seconds of all cores.
    """

    wall: float
    cpu: float


def main(options: Options) -> None:
    """Measures, and prints the table."""
    if options.update:
        table.split(options.update)  # Fails before the long work.
    parallel.use_cores()
    workdir = workdir_lib.Workdir(options.workdir)
    found = candidates.CandidateFile(workdir.search(options.name).candidates)
    ranking = selection.ranked(list(found.known.values()))
    if not ranking:
        raise errors.InputError(
            f"{workdir.search(options.name).root} holds no candidates; run the "
            "search first"
        )
    trained = workdir.trained(
        tf.distribute.get_strategy(), options.data_dir, None
    )
    last = max(each.generation for each in ranking)
    chosen = sorted(
        {round(n) for n in np.linspace(0, last, options.generations)}
    )
    referee = comparison.Referee(len(chosen) * options.rounds)
    rows = [
        _measure(options, trained, ranking, number, referee)
        for number in chosen
    ]
    count = sum(row.candidates for row in rows)
    validation, test = (
        trained.dataset.num_examples(split) for split in ("validation", "test")
    )
    command = table.command(
        "search_order --workdir=DIR",
        options,
        ("generations", "rounds", "parents"),
    )
    text = "\n".join(
        [
            *_table(rows),
            "",
            *_ratios(rows),
            f"- {count} candidates, {validation:,} images of the validation "
            f"and {test:,} of the test split.",
            "",
            table.provenance(command),
        ]
    )
    if options.update:
        table.update(options.update, text)
    print(text)


class Row(NamedTuple):
    """The figures of a generation.

    Attributes:
      number: Number of the generation, from 1.
      candidates: Number of its candidates.
      seconds: Side -> the time of each round.
      saved: Side -> share of the block evaluations that it saved.
    """

    number: int
    candidates: int
    seconds: dict[str, list[Seconds]]
    saved: dict[str, float]


def _measure(
    options: Options,
    trained: Any,
    ranking: Sequence[selection.Candidate],
    number: int,
    referee: comparison.Referee,
) -> Row:
    """The sides take turns on a generation.

    Raises:
      InputError: The sides disagree on an accuracy.
    """
    members = [c.architecture for c in ranking if c.generation == number]
    earlier = [c.architecture for c in ranking if c.generation < number]
    alone = Alone(trained)
    evaluators = [
        accuracy.Evaluator(
            tf.distribute.get_strategy(),
            trained.supernet,
            trained.dataset,
            "validation",
            size,
        )
        for size in (
            accuracy.BATCH_SIZE,
            racing.batch_size(
                trained.dataset.num_examples("validation"), accuracy.BATCH_SIZE
            ),
        )
    ]
    best = generation.answers(evaluators[1], earlier[: options.parents])
    saved: dict[str, float] = {}

    def in_one_pass(side: str, members: Sequence[Architecture]) -> Any:
        races = side != "one pass"
        evaluator, tally = evaluators[races], generation.Tally()
        race = racing.Race(
            options.parents,
            list(best.values()),
            evaluator.num_examples,
            evaluator.batch_size,
        )
        answers = generation.answers(
            evaluator, members, tally=tally, race=race if races else None
        )
        saved[side] = tally.saved
        return [np.mean(right) for right in answers.values()]

    sides: dict[str, Callable[[Sequence[Architecture]], list[float]]] = {
        "validation": lambda each: alone.accuracies("validation", each),
        "test": lambda each: alone.accuracies("test", each),
        **{
            side: lambda each, side=side: in_one_pass(side, each)
            for side in _AIMS
        },
    }
    depths = {member.depth: member for member in members}
    for run in sides.values():  # Untimed: traces, and fills caches.
        run(list(depths.values()))
    referee.begin(f"generation {number + 1}")
    seconds: dict[str, list[Seconds]] = {side: [] for side in sides}
    accuracies = {}
    order = list(sides)
    for _ in range(options.rounds):
        for side in order:
            start = time.perf_counter(), time.process_time()
            accuracies[side] = sides[side](members)
            spent = Seconds(
                time.perf_counter() - start[0], time.process_time() - start[1]
            )
            seconds[side].append(spent)
        order.reverse()
        referee.end_round()
    if accuracies["validation"] != accuracies["one pass"]:
        raise errors.InputError("the sides disagree on an accuracy")
    return Row(number + 1, len(members), seconds, saved)


def _total(rows: Sequence[Row], *sides: str) -> Seconds:
    """The time of some sides over all generations and rounds."""
    every = [
        spent for row in rows for side in sides for spent in row.seconds[side]
    ]
    return Seconds(*map(sum, zip(*every, strict=True)))


def _table(rows: Sequence[Row]) -> list[str]:
    """The seconds and ratios of each generation."""
    names = ("generation", "each alone: validation", "test")
    lines = [
        f"| {' | '.join([*names, *_AIMS, *(f'{s}: saved' for s in _AIMS)])} |",
        "|---|" + "--:|" * (2 + 2 * len(_AIMS)),
    ]
    for row in rows:
        rounds = len(row.seconds["test"])
        official = _total([row], "validation", "test")
        cells = [
            f"{_total([row], side).wall / rounds:.1f} s"
            for side in ("validation", "test")
        ]
        for side in _AIMS:
            spent = _total([row], side)
            cells.append(
                f"{spent.wall / rounds:.1f} s, "
                f"{official.wall / spent.wall:.1f}×"
            )
        cells += [f"{row.saved[side]:.0%}" for side in _AIMS]
        lines.append(f"| {row.number} | {' | '.join(cells)} |")
    return lines


def _ratios(rows: Sequence[Row]) -> list[str]:
    """The ratio of each side over all generations."""
    official = _total(rows, "validation", "test")
    validation = _total(rows, "validation")
    lines = []
    for side, aim in _AIMS.items():
        spent = _total(rows, side)
        ratio = official.wall / spent.wall
        lines.append(
            f"- {side}: {ratio:.1f}× as fast (aim ≥ {aim}×: "
            f"{'met' if ratio >= aim else 'missed'}), of which "
            f"{official.wall / validation.wall:.1f}× is the test images and "
            f"{validation.wall / spent.wall:.1f}× the rest. In CPU time it is "
            f"{official.cpu / spent.cpu:.1f}× and "
            f"{validation.cpu / spent.cpu:.1f}×."
        )
    return lines


if __name__ == "__main__":
    binary.run(main, Options)
