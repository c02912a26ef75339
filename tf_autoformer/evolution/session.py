"""A search in a working folder, which can be stopped and continued."""

import contextlib
import logging
import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, files, interruption, progress
from tf_autoformer.evaluation import (
    accuracy,
    bits,
    generation,
    health,
    racing,
)
from tf_autoformer.evaluation import workers as workers_lib
from tf_autoformer.evolution import (
    algorithm,
    candidates,
    drivers,
    search_config,
    selection,
)
from tf_autoformer.evolution import front as front_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


class Search:
    """Algorithm 2, or another driver, on the supernet of a working folder.

    Writes to `search/NAME/`: `config.json`, `candidates.jsonl` and, after
    each generation, `best.json`, the architecture found so far. With several
    objectives also `front.json`, whose first member this is.

    Args:
      workdir: Working folder of the trained supernet.
      name: Name of the search.
      config: Parameters of Algorithm 2.
      ranges: Constraint: the name of each bounded cost and its allowed range.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      strategy: Strategy whose replicas share an evaluation's images.
      dataset: Name of the data set. None: the experiment's.
      further_costs: Costs beyond `cost.COSTS` that `ranges` may bound. Each
        candidate is written with them, and progress lines show them.
      choose: Function from the ranking of all candidates to the one that the
        search has found. Default: the first. With several objectives it gets
        the members of the front.
      workers: Ray actors that evaluate the candidates. None: this process does.

    Attributes:
      experiment: Experiment that made the supernet.
      config: Parameters of Algorithm 2.
      folder: Folder of the search.
      constraint: Constraint that every candidate satisfies.
      front: Objectives of the search. None: the accuracy is the only one.
      supernet: Trained supernet.
      source: Classes and pixels that the supernet knows.

    Raises:
      InputError: There is no trained supernet, the constraint cannot be
        satisfied, an objective is unknown, a library is missing, the folder
        cannot be written, or a search of this name was made with another
        configuration.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        name: str,
        config: algorithm.EvolutionConfig,
        ranges: Mapping[str, constraint_lib.Range],
        data_dir: str | None,
        strategy: tf.distribute.Strategy,
        dataset: str | None = None,
        further_costs: Sequence[cost.Cost] = (),
        choose: selection.Choose = selection.first,
        workers: workers_lib.Workers | None = None,
    ):
        self._choose = choose
        self.experiment = workdir.experiment
        self.config = config
        self._workers = workers
        self.folder = workdir.search(name)
        self._costs = (*cost.COSTS, *further_costs)
        self._shown = (cost.PARAMS, *further_costs)
        self.constraint = search_config.constraint_of(
            self.experiment, ranges, self._costs
        )
        self.front = (
            front_lib.Front(config.objectives, self.constraint, self._costs)
            if config.objectives
            else None
        )
        # Fails before the folder is made if nothing satisfies it.
        self.constraint.sample(random.Random(config.search_seed))
        trained = workdir.trained(strategy, data_dir, dataset)
        self.supernet = trained.supernet
        self._step = trained.step
        trained.claim()
        self.source = trained.source
        images = trained.dataset.num_examples("validation")
        self._evaluator = accuracy.Evaluator(
            strategy,
            self.supernet,
            trained.dataset,
            "validation",
            racing.batch_size(images, accuracy.BATCH_SIZE)
            if config.racing
            else accuracy.BATCH_SIZE,
        )
        with contextlib.ExitStack() as lock:
            lock.enter_context(files.lock(self.folder.root))
            self._claim(trained.step)  # Not before all is in order: it binds.
            self._file = candidates.CandidateFile(
                self.folder.candidates, self._shown
            )
            self._lock = lock.pop_all()

    def _claim(self, step: int) -> None:
        """Makes the folder, or checks that it is of the same search."""
        ranges = {
            each.name: allowed
            for each, allowed in self.constraint.ranges.items()
        }
        sources = {
            each.name: each.source for each in self._costs if each.source
        }
        made_with = search_config.SearchConfig(
            step, self.config, ranges, sources
        )
        files.require_writable(self.folder.root)
        if self.folder.config.exists():
            search_config.require_weights(self.folder, step)
            found = search_config.SearchConfig.load(self.folder)
            workdir_lib.require_same(
                self.folder.config, found.to_dict(), made_with.to_dict()
            )
        else:
            files.write_json(self.folder.config, made_with.to_dict())

    def finalists(
        self, ranking: Sequence[selection.Candidate]
    ) -> Sequence[selection.Candidate]:
        """The candidates to choose from: the front if there is one, or all."""
        return self.front.members(ranking) if self.front else ranking

    def settle(self, ranking: Sequence[selection.Candidate]) -> None:
        """Writes down the front, and the best as it is chosen now."""
        finalists = self.finalists(ranking)
        if self.front:
            candidates.write_front(self.folder.front, finalists)
        best = self._choose(finalists).architecture
        files.write_json(self.folder.best, best.to_dict())

    def run(self) -> Iterator[list[selection.Candidate]]:
        """Runs the search, or continues it where it was stopped.

        Yields:
          All candidates so far, ranked, after each generation.

        Raises:
          InputError: No architecture satisfies the constraint.
        """
        config = self.config
        known = len(self._file.known)
        total = self._total = generation.Tally()
        if known:
            _LOGGER.info("%d candidates known", known)
        with (
            self._lock,
            interruption.explained(self._left),
            progress.Meter(
                known, config.candidates, "candidates", "search"
            ) as self._meter,
        ):
            yield from self._rankings(known)
        if total.alone:
            _LOGGER.info("%s in the whole search", _savings(total))

    def _rankings(self, known: int) -> Iterator[list[selection.Candidate]]:
        """See `run`. The first `known` candidates were evaluated before."""
        for ranking in drivers.DRIVERS[self.config.driver](
            self.config, self.constraint, self._evaluate
        ):
            if len(ranking) < known:
                continue  # Known, as are later ones: nothing to write or show.
            self.settle(ranking)
            self._report_generation(ranking)
            if all(candidate.generation == 0 for candidate in ranking):
                self._check_health(ranking)
            yield ranking

    def _check_health(self, ranking: list[selection.Candidate]) -> None:
        """Warns if larger subnets are less accurate. See `health`."""
        space = self.experiment.space
        extremes = (space.largest, space.smallest)
        with self._meter.paused():
            found = generation.accuracies(self._evaluator, extremes)
            found = health.warning(
                *map(found.get, extremes),
                selection.accuracies(ranking, 0),
                self._evaluator.num_examples,
            )
        if found is not None:
            _LOGGER.warning(found)

    def _evaluate(
        self, number: int, members: Mapping[Architecture, str]
    ) -> list[selection.Candidate]:
        """Evaluates the architectures that are not known, in one pass.

        Args:
          number: Number of the generation.
          members: Architectures of the generation, with their origins.
        """
        known = self._file.known
        new = [each for each in members if each not in known]
        before, tally = len(known), generation.Tally()

        def told(share: float) -> None:
            done = before + share * len(new)
            self._meter.advance(int(done))
            if self._meter.due:
                self._report(f"generation {number + 1}, {share:.0%}", done)

        if self._workers is not None:
            answers = self._workers.answers(new, self._step, told, tally)
        else:
            answers = generation.answers(
                self._evaluator,
                new,
                self.folder.partial,
                told,
                tally,
                self._race(number) if self.config.racing else None,
            )
        total = self._evaluator.num_examples
        for architecture, right in answers.items():
            self._file.append(
                selection.Candidate(
                    generation=number,
                    origin=members[architecture],
                    architecture=architecture,
                    accuracy=float(np.mean(right)),
                    costs=cost.measured(
                        self._costs, self.experiment.model, architecture
                    ),
                    images=None if len(right) == total else len(right),
                    right=bits.encode(right) if self.config.racing else "",
                )
            )
        if new:  # Else the file may be of a later generation.
            self.folder.partial.unlink(missing_ok=True)
        self._tally = tally
        self._total.add(tally)
        self._meter.advance(len(known))
        return [known[architecture] for architecture in members]

    def _race(self, number: int) -> racing.Race:
        """The race of a generation against the best earlier candidates."""
        total, keep = self._evaluator.num_examples, self.config.parents
        earlier = selection.ranked(
            [
                each
                for each in self._file.known.values()
                if each.generation < number and each.images is None
            ]
        )
        try:
            answers = [bits.decode(c.right, total) for c in earlier[:keep]]
        except ValueError as error:
            raise errors.InputError(
                f"{self.folder.candidates} is damaged: {error}"
            ) from error
        return racing.Race(keep, answers, total, self._evaluator.batch_size)

    def _left(self) -> str:
        """What an interrupted search leaves behind."""
        return (
            f"interrupted; {len(self._file.known)} candidates are kept in "
            f"{self.folder.root}; the same command continues there"
        )

    def _report_generation(self, ranking: list[selection.Candidate]) -> None:
        number = max(candidate.generation for candidate in ranking)
        accuracies = selection.accuracies(ranking, number)
        finalists = self.finalists(ranking)
        best = self._choose(finalists)
        costs = ", ".join(
            each.text(best.costs[each.name]) for each in self._shown
        )
        text = (
            f"generation {number + 1}/{self.config.generations}  "
            f"mean {np.mean(accuracies):.1%}  best so far "
            f"{best.accuracy:.1%} with {costs}"
        )
        if self.front:
            volume = self.front.hypervolume(finalists)
            text += f"  front of {len(finalists)}, hypervolume {volume:.4f}"
        if self._tally.alone:  # Else all of it was known.
            text += f"  {_savings(self._tally)}"
        self._report(text, len(self._file.known))

    def _report(self, text: str, done: float) -> None:
        speed, eta = self._meter.update(done)
        if speed:  # Else all of it was known.
            text += f"  {speed:.1f} candidates/s  ETA {eta}"
        _LOGGER.info("%s  %d candidates", text, len(self._file.known))


def _savings(tally: generation.Tally) -> str:
    return f"{tally.saved:.0%} of block evaluations saved"
