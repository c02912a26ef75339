"""A search in a working folder, which can be stopped and continued."""

import dataclasses
import functools
import logging
import os
import pathlib
import random
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, files, progress
from tf_autoformer.data import datasets
from tf_autoformer.evolution import algorithm, candidates
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost
from tf_autoformer.training import checkpoint, evaluation
from tf_autoformer.training import experiment as experiment_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


class Search:
    """Algorithm 2 on the supernet of a working folder.

    Writes to `search/NAME/`: `config.json`, `candidates.jsonl` and, after
    each generation, `best.json`, the architecture found so far.

    Args:
      workdir: of the trained supernet.
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
        workdir: str | os.PathLike[str],
        name: str,
        config: algorithm.EvolutionConfig,
        ranges: Mapping[str, constraint_lib.Range],
        data_dir: str | None,
        strategy: tf.distribute.Strategy,
    ):
        self.experiment = experiment_lib.load(workdir)
        self.config = config
        self.folder = pathlib.Path(workdir) / "search" / name
        self.constraint = _constraint(self.experiment, ranges)
        # Fails before the folder is made if nothing satisfies it.
        self.constraint.sample(random.Random(config.search_seed))
        self.supernet, step = checkpoint.load_supernet(workdir, strategy)
        dataset = datasets.load(self.experiment.dataset, data_dir)
        experiment_lib.claim_splits(workdir, dataset)
        self._evaluator = evaluation.Evaluator(
            strategy, self.supernet, dataset, "validation"
        )
        self._claim(step)  # Not before all is in order: it binds.
        self._file = candidates.CandidateFile(self.folder / "candidates.jsonl")

    def _claim(self, step: int) -> None:
        """Makes the folder, or checks that it is of the same search."""
        evolution = dataclasses.asdict(self.config)
        # A search may go on for more generations than it was begun with.
        del evolution["generations"]
        values = {
            "checkpoint_step": step,
            "evolution": evolution,
            "constraint": {
                cost_name: dataclasses.asdict(allowed)
                for cost_name, allowed in self.constraint.ranges.items()
            },
        }
        experiment_lib.claim(self.folder, values)

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
        self._meter = progress.Meter(known, total)
        for ranking in algorithm.search(
            config, self.constraint, self._evaluate
        ):
            if len(ranking) < known:
                continue  # Known, as are later ones: nothing to write or show.
            best = ranking[0].architecture
            files.write_json(self.folder / "best.json", best.to_dict())
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
            if self._meter.due:
                self._report(f"generation {generation + 1}")
        return self._file.known[architecture]

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


def load_best(folder: pathlib.Path) -> Architecture | None:
    """The best architecture of the search in `folder`; None if there is none.

    Raises:
      InputError: the file is damaged.
    """
    path = folder / "best.json"
    return Architecture.load(path) if path.exists() else None


def load_constraint(
    folder: pathlib.Path, experiment: experiment_lib.Experiment
) -> constraint_lib.Constraint:
    """The constraint of the search in `folder`.

    Raises:
      InputError: there is no search.
    """
    path = folder / "config.json"
    if not path.exists():
        raise errors.InputError(f"{folder} holds no search; run one first")
    values = files.read_json(path)
    try:
        ranges = {
            name: constraint_lib.Range(**ends)
            for name, ends in values["constraint"].items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise errors.InputError(
            f"{path} is not a configuration of this program: {error!r}"
        ) from error
    return _constraint(experiment, ranges)


def _constraint(
    experiment: experiment_lib.Experiment,
    ranges: Mapping[str, constraint_lib.Range],
) -> constraint_lib.Constraint:
    return constraint_lib.Constraint(
        experiment.space,
        functools.partial(cost.costs, experiment.model),
        ranges,
    )
