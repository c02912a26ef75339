"""A search in a working folder, which can be stopped and continued."""

import dataclasses
import functools
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data import datasets
from tf_autoformer.evolution import algorithm, candidates
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost
from tf_autoformer.training import checkpoint, evaluation, progress
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
        self.constraint = constraint_lib.Constraint(
            self.experiment.space,
            functools.partial(cost.costs, self.experiment.model),
            ranges,
        )
        self.constraint.require_reachable()
        self.supernet, step = checkpoint.load_supernet(workdir, strategy)
        self._claim(step)
        dataset = datasets.load(self.experiment.dataset, data_dir)
        self._evaluator = evaluation.Evaluator(
            strategy, self.supernet, dataset, dataset.source.validation
        )
        self._file = candidates.CandidateFile(self.folder / "candidates.jsonl")

    def _claim(self, step: int) -> None:
        """Makes the folder, or checks that it is of the same search."""
        values = {
            "checkpoint_step": step,
            "evolution": dataclasses.asdict(self.config),
            "constraint": {
                cost_name: dataclasses.asdict(allowed)
                for cost_name, allowed in self.constraint.ranges.items()
            },
        }
        experiment_lib.claim(self.folder, values)

    @property
    def best(self) -> Architecture | None:
        """The best architecture so far; None before the first generation."""
        path = self.folder / "best.json"
        return Architecture.load(path) if path.exists() else None

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
        done = len(self._file.known)
        if done:
            _LOGGER.info("%d candidates known", done)
        meter = progress.Meter(done, total)
        rankings = algorithm.search(config, self.constraint, self._evaluate)
        for generation, ranking in enumerate(rankings):
            best = ranking[0]
            files.write_json(
                self.folder / "best.json", best.architecture.to_dict()
            )
            if len(self._file.known) == done:
                yield ranking  # All of it was known.
                continue
            done = len(self._file.known)
            speed, eta = meter.update(done)
            accuracies = [
                c.accuracy for c in ranking if c.generation == generation
            ]
            _LOGGER.info(
                "generation %d/%d  mean %.1f%%  best so far %.1f%% with %s "
                "params  %.1f candidates/s  ETA %s",
                generation + 1,
                config.generations,
                100 * np.mean(accuracies),
                100 * best.accuracy,
                f"{best.costs['params']:,}",
                speed,
                eta,
            )
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
        return self._file.known[architecture]


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
    ranges = files.read_json(path)["constraint"]
    return constraint_lib.Constraint(
        experiment.space,
        functools.partial(cost.costs, experiment.model),
        {name: constraint_lib.Range(**ends) for name, ends in ranges.items()},
    )
