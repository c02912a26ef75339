"""A search in a working folder, which can be stopped and continued."""

import contextlib
import dataclasses
import functools
import logging
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, files, interruption, progress
from tf_autoformer.evaluation import accuracy
from tf_autoformer.evolution import algorithm, candidates
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost, parsing

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """What a search was made with, as its folder remembers it.

    Attributes:
      checkpoint_step: Training step of the supernet's weights.
      evolution: Parameters of Algorithm 2.
      constraint: Mapping of the names of costs to their ranges.
    """

    checkpoint_step: int
    evolution: algorithm.EvolutionConfig
    constraint: Mapping[str, constraint_lib.Range]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `load` reads."""
        evolution = dataclasses.asdict(self.evolution)
        # A search may go on for more generations than it was begun with.
        del evolution["generations"]
        return {
            "checkpoint_step": self.checkpoint_step,
            "evolution": evolution,
            "constraint": {
                name: dataclasses.asdict(allowed)
                for name, allowed in self.constraint.items()
            },
        }

    @classmethod
    def load(cls, folder: workdir_lib.SearchFolder) -> "SearchConfig":
        """Reads what the search in `folder` was made with.

        Raises:
          InputError: There is no search, or its configuration is none of
            this program's.
        """
        if not folder.config.exists():
            raise errors.InputError(
                f"{folder.root} holds no search; run one first"
            )
        values = files.read_json(folder.config)
        with errors.about(
            f"{folder.config} is not a configuration of this program"
        ):
            names = [field.name for field in dataclasses.fields(cls)]
            parsing.fields("a search", values, names)
            ranges = parsing.mapping("constraint", values["constraint"])
            evolution = parsing.mapping("evolution", values["evolution"])
            return cls(
                parsing.typed(names[0], values[names[0]], int),
                parsing.config(
                    algorithm.EvolutionConfig, {**evolution, "generations": 1}
                ),
                {
                    name: parsing.config(constraint_lib.Range, ends)
                    for name, ends in ranges.items()
                },
            )


class Search:
    """Algorithm 2 on the supernet of a working folder.

    Writes to `search/NAME/`: `config.json`, `candidates.jsonl` and, after
    each generation, `best.json`, the architecture found so far.

    Args:
      workdir: Working folder of the trained supernet.
      name: of the search.
      config: the parameters of Algorithm 2.
      ranges: the constraint: cost -> allowed range.
      data_dir: where prepared data sets are kept; TFDS's default if None.
      strategy: of the replicas that share an evaluation's images.

    Raises:
      InputError: there is no trained supernet, the constraint cannot be
        satisfied, the folder cannot be written, or a search of this name was
        made with another configuration.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        name: str,
        config: algorithm.EvolutionConfig,
        ranges: Mapping[str, constraint_lib.Range],
        data_dir: str | None,
        strategy: tf.distribute.Strategy,
    ):
        self.experiment = workdir.experiment
        self.config = config
        self.folder = workdir.search(name)
        self.constraint = _constraint(self.experiment, ranges)
        # Fails before the folder is made if nothing satisfies it.
        self.constraint.sample(random.Random(config.search_seed))
        trained = workdir.trained(strategy, data_dir)
        self.supernet = trained.supernet
        workdir.claim_splits(trained.dataset.summary())
        self._evaluator = accuracy.Evaluator(
            strategy, self.supernet, trained.dataset, "validation"
        )
        with contextlib.ExitStack() as lock:
            lock.enter_context(files.lock(self.folder.root))
            self._claim(trained.step)  # Not before all is in order: it binds.
            self._file = candidates.CandidateFile(self.folder.candidates)
            self._lock = lock.pop_all()

    def _claim(self, step: int) -> None:
        """Makes the folder, or checks that it is of the same search."""
        made_with = SearchConfig(step, self.config, self.constraint.ranges)
        files.require_writable(self.folder.root)
        if self.folder.config.exists():
            found = SearchConfig.load(self.folder)
            workdir_lib.require_same(
                self.folder.config, found.to_dict(), made_with.to_dict()
            )
        else:
            files.write_json(self.folder.config, made_with.to_dict())

    @property
    def best(self) -> Architecture | None:
        """The best architecture so far; None before the first generation."""
        return load_best(self.folder)

    def run(self) -> Iterator[list[algorithm.Candidate]]:
        """Searches, from where it stopped if it was stopped.

        Yields:
          After each generation all candidates so far, ranked.

        Raises:
          InputError: no architecture satisfies the constraint.
        """
        config = self.config
        offspring = config.crossovers + config.mutations
        total = config.population + (config.generations - 1) * offspring
        known = len(self._file.known)
        if known:
            _LOGGER.info("%d candidates known", known)
        with (
            self._lock,
            interruption.explained(self._left),
            progress.Meter(known, total, "candidates", "search") as self._meter,
        ):
            yield from self._rankings(known)

    def _rankings(self, known: int) -> Iterator[list[algorithm.Candidate]]:
        """See `run`; the first `known` candidates were evaluated before."""
        for ranking in algorithm.search(
            self.config, self.constraint, self._evaluate
        ):
            if len(ranking) < known:
                continue  # Known, as are later ones: nothing to write or show.
            best = ranking[0].architecture
            files.write_json(self.folder.best, best.to_dict())
            self._report_generation(ranking)
            yield ranking

    def _evaluate(
        self, generation: int, architecture: Architecture
    ) -> algorithm.Candidate:
        """Looks the candidate up, or evaluates it and writes it down."""
        if architecture not in self._file.known:
            self._file.append(
                algorithm.Candidate(
                    generation=generation,
                    architecture=architecture,
                    accuracy=self._evaluator.accuracy(architecture),
                    costs=self.constraint.cost_of(architecture),
                )
            )
            self._meter.advance(len(self._file.known))
            if self._meter.due:
                self._report(f"generation {generation + 1}")
        return self._file.known[architecture]

    def _left(self) -> str:
        """What an interrupted search leaves behind."""
        return (
            f"interrupted; {len(self._file.known)} candidates are kept in "
            f"{self.folder.root}; the same command continues there"
        )

    def _report_generation(self, ranking: list[algorithm.Candidate]) -> None:
        generation = max(candidate.generation for candidate in ranking)
        accuracies = algorithm.accuracies(ranking, generation)
        best = ranking[0]
        self._report(
            f"generation {generation + 1}/{self.config.generations}  "
            f"mean {np.mean(accuracies):.1%}  best so far "
            f"{best.accuracy:.1%} with {best.costs['params']:,} params"
        )

    def _report(self, text: str) -> None:
        done = len(self._file.known)
        speed, eta = self._meter.update(done)
        if speed:  # Else all of it was known.
            text += f"  {speed:.1f} candidates/s  ETA {eta}"
        _LOGGER.info("%s  %d candidates", text, done)


def load_best(folder: workdir_lib.SearchFolder) -> Architecture | None:
    """The best architecture of the search in `folder`; None if there is none.

    Raises:
      InputError: the file is damaged.
    """
    if not folder.best.exists():
        return None
    return Architecture.load(folder.best)


def load_constraint(
    folder: workdir_lib.SearchFolder, experiment: experiment_lib.Experiment
) -> constraint_lib.Constraint:
    """The constraint of the search in `folder`.

    Raises:
      InputError: There is no search.
    """
    return _constraint(experiment, SearchConfig.load(folder).constraint)


def _constraint(
    experiment: experiment_lib.Experiment,
    ranges: Mapping[str, constraint_lib.Range],
) -> constraint_lib.Constraint:
    return constraint_lib.Constraint(
        experiment.space,
        functools.partial(cost.costs, experiment.model),
        ranges,
    )
