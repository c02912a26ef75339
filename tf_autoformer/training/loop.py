"""Algorithm 1 as a loop that can be stopped and continued at any time."""

import contextlib
import functools
import logging
import random
import time
from typing import Any

import tensorflow as tf

from tf_autoformer import files, interruption, progress
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import accuracy
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import known_data, training_config, weights
from tf_autoformer.experiment import teacher as teacher_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, sampling
from tf_autoformer.supernet import parts
from tf_autoformer.training import (
    checkpoint,
    distribution,
    reporting,
    run_config,
    summaries,
)
from tf_autoformer.training import state as state_lib
from tf_autoformer.training import step as step_lib

_LOGGER = logging.getLogger(__name__)

# Steps after the start that `RunConfig.profile` profiles.
_PROFILED = (10, 20)


class Trainer:
    """Trains a supernet in a working folder, from scratch or further.

    The folder is locked from here to the end of `train`.

    Args:
      experiment: Supernet and recipe to train.
      workdir: Folder to train in.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      run: How the training is run and shown.
      strategy: Strategy of the replicas.

    Attributes:
      experiment: Supernet and recipe in training.
      total_steps: Number of steps of the whole training.
      state: Everything that the training changes.

    Raises:
      InputError: The data set or the folder cannot be used, the folder was
        made with another configuration, or another process trains in it.
    """

    def __init__(
        self,
        experiment: experiment_lib.Experiment,
        workdir: workdir_lib.Workdir,
        data_dir: str | None,
        run: run_config.RunConfig,
        strategy: tf.distribute.Strategy,
    ):
        recipe = experiment.training
        distribution.require_shares(experiment, strategy.num_replicas_in_sync)
        self.experiment = experiment
        self._run = run
        self._strategy = strategy
        self._workdir = workdir
        chief = distribution.is_chief(strategy)
        if chief:
            files.require_writable(workdir.root)
        else:
            logging.getLogger("tf_autoformer").setLevel(logging.WARNING)
        self._dataset = _load(workdir, experiment, data_dir, strategy)
        num_examples = self._dataset.num_examples("train")
        self.total_steps = recipe.steps(num_examples)

        self.state = state_lib.TrainState.create(
            experiment.model,
            experiment.space,
            recipe,
            strategy,
            num_examples,
            run.skip_nonfinite,
            subnet=experiment.architecture,
        )
        with strategy.scope():
            teacher = _teacher(recipe, self._dataset.source)
        self._step = step_lib.TrainStep(strategy, self.state, recipe, teacher)
        with contextlib.ExitStack() as lock:
            if chief:  # Not before all is found to be in order: it binds.
                lock.enter_context(workdir.lock())
                workdir.claim(experiment, self._dataset)
            self._checkpoint = checkpoint.TrainingCheckpoint(
                workdir.checkpoints, self.state, writes=chief
            )
            self._summaries = summaries.Summaries(
                workdir.log("train"), writes=chief
            )
            self._lock = lock.pop_all()
        self._watched = watched_subnets(experiment, run.watched_subnets)
        self._evaluator = accuracy.Evaluator(
            strategy, self.state.evaluated, self._dataset, "validation"
        )

    def train(self) -> None:
        """Trains to the last step, from the latest checkpoint if any.

        SIGINT, which is Ctrl-C, and SIGTERM stop it after the present step,
        with a checkpoint. Before the first step they stop it at once.

        Raises:
          InputError: The loss is no longer finite, or a checkpoint cannot be
            saved.
          Interrupted: A signal has stopped the training.
        """
        with self._lock, interruption.explained(self._left):
            start = self._checkpoint.restore()
            if start >= self.total_steps:
                _LOGGER.info("trained already: %d steps", start)
                return
            self._begin(start)
            self._take_steps(start)
            # One that leaves is lost to the others, one of which may still
            # save.
            distribution.end_with_all(self._strategy, self._is_done)

    def _is_done(self) -> bool:
        """Whether the last step is saved, by whichever worker."""
        latest = tf.train.latest_checkpoint(str(self._workdir.checkpoints))
        return bool(latest) and weights.step_of(latest) >= self.total_steps

    def _take_steps(self, start: int) -> None:
        recent: list[reporting.Done] = []
        meter = progress.Meter(
            start,
            self.total_steps,
            "steps",
            "training",
            functools.partial(
                reporting.summary, recent, self.experiment.training.batch_size
            ),
        )
        stop = interruption.Deferral()
        traced: set[tuple[Any, ...]] = set()
        steps = range(start, self.total_steps)
        if pipeline.need_no_copy(self._strategy):
            batches = self._batches(tf.distribute.InputContext(), start)
        else:
            batches = self._strategy.distribute_datasets_from_function(
                lambda context: self._batches(context, start)
            )
        with (
            distribution.leaving(self._strategy, stop),
            meter,
            contextlib.ExitStack() as stack,
            contextlib.ExitStack() as profiling,
        ):
            # The range first: so no batch is drawn that no step takes.
            for step, (images, targets) in zip(  # noqa: B905
                steps, self._dataset.readable(batches)
            ):
                if step == start:
                    self._show(step + 1, images)
                    with meter.paused():
                        self._compile(images, targets)
                    # Not before: all this may take long.
                    stack.enter_context(stop)
                self._profile(step - start, profiling)
                paths = self.state.sampler.sample()
                graphs = self._graphs(paths)
                if graphs <= traced:
                    clock = contextlib.nullcontext()
                else:  # Its tracing would make the rest look far longer.
                    clock = meter.paused(units=1)
                    traced |= graphs
                with clock:
                    metrics = self._step(images, targets, paths, step)
                recent.append(reporting.Done(step + 1, paths, metrics))
                meter.advance(step + 1)
                self._end_step(step + 1, recent, meter, stop)

    def _graphs(self, paths: sampling.Paths) -> set[tuple[Any, ...]]:
        """What a step needs traced, and compiled if XLA compiles."""
        graphs: set[tuple[Any, ...]] = {
            (number > 0, path.depth) for number, path in enumerate(paths)
        }
        if self.state.supernet.compiled:
            graphs = graphs.union(*map(parts.sizes, paths))
        return graphs

    def _begin(self, start: int) -> None:
        """Says what will be trained."""
        model, space = self.experiment.model, self.experiment.space
        if not start and self.state.average is not None:
            self.state.average.start()
        self._summaries.begin(start + 1)
        self._summaries.hparams(self.experiment)
        subnet = self.experiment.architecture
        if subnet is None:
            _LOGGER.info("search space: %s", space.describe())
        _LOGGER.info(
            "parameters: %s to %s",
            f"{cost.params(model, subnet or space.smallest):,}",
            f"{cost.params(model, subnet or space.largest):,}",
        )
        _LOGGER.info(
            "%s at step %d of %d, replicas: %d",
            "continuing" if start else "starting",
            start,
            self.total_steps,
            self._strategy.num_replicas_in_sync,
        )

    def _batches(
        self, context: tf.distribute.InputContext, start: int
    ) -> tf.data.Dataset:
        recipe = self.experiment.training
        return pipeline.training(
            self._dataset,
            self.experiment.model.input_size,
            recipe.batch_size,
            recipe.seed,
            self.experiment.augmentation,
            start,
            distribution.part(context),
            self._run.deterministic,
        )

    def _show(self, step: int, images: tf.Tensor) -> None:
        """Puts a replica's images on TensorBoard."""
        local = self._strategy.experimental_local_results(images)[0]
        self._summaries.images(step, local)

    def _compile(self, images: tf.Tensor, targets: tf.Tensor) -> None:
        """Compiles what steps will need of XLA, if they need anything.

        Updates are compiled by the steps that first need them.
        """
        if not self.state.supernet.compiled:
            return
        subnets = parts.samples(self.experiment.space)
        if self.experiment.architecture is not None:
            subnets = [self.experiment.architecture]
        _LOGGER.info(
            "XLA compiles the parts of the network in %d sizes",
            len(set().union(*map(parts.sizes, subnets))),
        )
        start = time.monotonic()
        meter = progress.Meter(0, len(subnets), "subnets", "compiling")
        with meter:
            for done, _ in enumerate(
                self._step.compile_ahead(images, targets, subnets), 1
            ):
                meter.advance(done)
                if meter.due:
                    _LOGGER.info(meter.line(done))
        _LOGGER.info("compiled in %.0f s", time.monotonic() - start)

    def _profile(self, step: int, profiling: contextlib.ExitStack) -> None:
        """Starts or ends the profile, if one is wanted."""
        chief = distribution.is_chief(self._strategy)
        if self._run.profile and chief and step == _PROFILED[0]:
            profiling.enter_context(
                tf.profiler.experimental.Profile(
                    str(self._workdir.log("train"))
                )
            )
        elif step == _PROFILED[1]:
            profiling.close()

    def _end_step(
        self,
        step: int,
        recent: list[reporting.Done],
        meter: progress.Meter,
        stop: interruption.Deferral,
    ) -> None:
        """Reports, evaluates and saves when due, at the end and at a stop.

        Raises:
          Interrupted: A signal has come, and there are steps left.
        """
        run, last = self._run, step == self.total_steps
        if last or stop.signal or step % run.log_every == 0:
            self._require_finite(recent)
            reporting.report(
                recent,
                meter,
                self.total_steps,
                self.experiment.training,
                self._summaries,
            )
            recent.clear()
        if last or step % run.evaluate_every == 0:
            with meter.paused():
                self._evaluate(step, stop)
        stopped = stop.signal is not None and not last
        if last or stopped or step % run.checkpoint_every == 0:
            self._require_finite(recent)
            with meter.paused():
                self._checkpoint.save()
        if stopped:
            self._summaries.flush()
            raise interruption.Interrupted(stop.signal)

    def _require_finite(self, recent: list[reporting.Done]) -> None:
        """Fails if a step was not finite, unless such steps are skipped."""
        if not self._run.skip_nonfinite:
            reporting.require_finite(recent, self._checkpoint.latest)

    def _left(self) -> str:
        """What an interrupted training leaves behind."""
        if not distribution.is_chief(self._strategy):
            return (
                "interrupted; the first worker saves; the same command joins "
                "the training again"
            )
        return reporting.interrupted(
            self._checkpoint.latest, self._workdir.root
        )

    def _evaluate(self, step: int, stop: interruption.Deferral) -> None:
        """Logs the validation accuracy of the watched subnets.

        A signal ends it, but for the evaluation at the last step.
        """
        accuracies = {}
        for name, architecture in self._watched.items():
            if stop.signal and step < self.total_steps:
                return
            accuracies[name] = self._evaluator.accuracy(architecture)
        _LOGGER.info(
            "validation accuracy  %s",
            "  ".join(f"{n} {a:.1%}" for n, a in accuracies.items()),
        )
        self._summaries.scalars(
            step,
            {f"validation_accuracy/{n}": a for n, a in accuracies.items()},
        )
        if self._run.histograms:
            self._summaries.histograms(step, self.state.supernet)
        self._summaries.flush()


def _load(
    workdir: workdir_lib.Workdir,
    experiment: experiment_lib.Experiment,
    data_dir: str | None,
    strategy: tf.distribute.Strategy,
) -> datasets.Dataset:
    """The data set, which one worker prepares and the others then find."""
    chief = distribution.is_chief(strategy)
    name = experiment.dataset
    load = functools.partial(
        datasets.load, name, data_dir, experiment.max_image_pixels
    )
    dataset = load() if chief else None
    distribution.wait_for_all(strategy)
    dataset = dataset or load()
    if workdir.is_bound:
        return known_data.seen(workdir, name, dataset)
    return dataset


def _teacher(
    recipe: training_config.TrainingConfig, source: datasets.Source
) -> teacher_lib.Teacher | None:
    """The teacher, if the recipe has one."""
    if not recipe.teacher:
        return None
    return teacher_lib.Teacher(recipe.teacher, source)


def watched_subnets(
    experiment: experiment_lib.Experiment, count: int
) -> dict[str, architecture_lib.Architecture]:
    """The subnets to evaluate: the extremes and fixed random ones.

    Args:
      experiment: Experiment of a supernet, or of one subnet.
      count: Number of random ones.

    Returns:
      Mapping of names to architectures.
    """
    if experiment.architecture is not None:
        return {"subnet": experiment.architecture}
    space = experiment.space
    rng = random.Random(0)
    return {
        "smallest": space.smallest,
        "largest": space.largest,
        **{
            f"random_{index}": sampling.uniform(space, rng)
            for index in range(count)
        },
    }
