"""Algorithm 1 as a loop that can be stopped and continued at any time."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import random

import tensorflow as tf

from tf_autoformer import errors, files, progress
from tf_autoformer.data import datasets, pipeline
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, sampling, search_space
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import average as average_lib
from tf_autoformer.training import (
    checkpoint,
    distribution,
    evaluation,
    reporting,
    summaries,
)
from tf_autoformer.training import config as config_lib
from tf_autoformer.training import experiment as experiment_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import optimizer as optimizer_lib
from tf_autoformer.training import step as step_lib
from tf_autoformer.training import teacher as teacher_lib

_LOGGER = logging.getLogger(__name__)

# Weights without weight decay, by name: all but kernels.
_NO_DECAY = ["bias", "gamma", "beta", "embedding", "vertical", "horizontal"]
# Steps after the start that `RunConfig.profile` profiles.
_PROFILED = (10, 20)
_RULES = {
    "autoformer": sampling.single_path,
    "bignas": sampling.sandwich,
}


class Trainer:
    """Trains a supernet in a working folder, from scratch or further.

    Args:
      experiment: what to train.
      workdir: where; see docs/architecture.md.
      data_dir: where prepared data sets are kept; TFDS's default if None.
      run: how it is run and shown.
      strategy: of the replicas.

    Raises:
      InputError: the data set or the folder cannot be used, or the folder was
        made with another configuration.
    """

    def __init__(
        self,
        experiment: experiment_lib.Experiment,
        workdir: str | os.PathLike[str],
        data_dir: str | None,
        run: config_lib.RunConfig,
        strategy: tf.distribute.Strategy,
    ):
        recipe = experiment.training
        _require_shares(experiment, strategy.num_replicas_in_sync)
        self.experiment = experiment
        self._run = run
        self._strategy = strategy
        self._folder = pathlib.Path(workdir)
        chief = distribution.is_chief(strategy)
        if chief:
            files.require_writable(workdir)
        else:
            logging.getLogger("tf_autoformer").setLevel(logging.WARNING)
        self._dataset = _load(experiment.dataset, data_dir, strategy)
        num_examples = self._dataset.num_examples("train")
        self.total_steps = recipe.steps(num_examples)

        tf.keras.utils.set_random_seed(recipe.seed)
        averaged, self._average = None, None
        with strategy.scope():
            self.supernet = supernet_lib.Supernet(
                experiment.model, experiment.space, recipe.precision
            )
            variables = self.supernet.trainable_variables
            optimizer = make_optimizer(recipe, self.total_steps, num_examples)
            optimizer.build(variables)
            guard = guard_lib.Guard(
                scales=recipe.precision == "mixed_float16",
                skips=run.skip_nonfinite,
            )
            if recipe.ema_decay:
                averaged = supernet_lib.Supernet(
                    experiment.model, experiment.space, recipe.precision
                )
                self._average = average_lib.EntangledAverage(
                    variables, averaged.trainable_variables, recipe.ema_decay
                )
            teacher = _teacher(recipe, self._dataset.source)
        if chief:  # Not before all is found to be in order: it binds.
            experiment_lib.claim(workdir, dataclasses.asdict(experiment))
            experiment_lib.claim_splits(workdir, self._dataset)
        self._step = step_lib.TrainStep(
            strategy,
            self.supernet,
            optimizer,
            recipe,
            guard,
            self._average,
            teacher,
        )
        self._sampler = sampling.Sampler(
            experiment.space, recipe.seed, _RULES[recipe.method]
        )
        self._checkpoint = checkpoint.TrainingCheckpoint(
            workdir,
            self.supernet,
            optimizer,
            self._sampler,
            guard,
            averaged,
            writes=chief,
        )
        self._summaries = summaries.Summaries(workdir, writes=chief)
        self._watched = watched_subnets(experiment.space, run.watched_subnets)
        self._evaluator = evaluation.Evaluator(
            strategy, averaged or self.supernet, self._dataset, "validation"
        )

    def train(self) -> None:
        """Trains to the last step, from the latest checkpoint if any.

        Raises:
          InputError: the loss is no longer finite, or a checkpoint cannot be
            saved.
        """
        start = self._checkpoint.restore()
        if start >= self.total_steps:
            _LOGGER.info("trained already: %d steps", start)
            return
        self._begin(start)
        meter = progress.Meter(start, self.total_steps)
        recent: list[reporting.Done] = []
        traced: set[tuple[bool, int]] = set()
        steps = range(start, self.total_steps)
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: self._batches(context, start)
        )
        with contextlib.ExitStack() as profiling:
            # The range first: so no batch is drawn that no step takes.
            for step, (images, targets) in zip(steps, batches):  # noqa: B905
                if step == start:
                    self._show(step, images)
                self._profile(step - start, profiling)
                paths = self._sampler.sample()
                graphs = {
                    (number > 0, path.depth)
                    for number, path in enumerate(paths)
                }
                if graphs <= traced:
                    clock = contextlib.nullcontext()
                else:  # Its tracing would make the rest look far longer.
                    clock = meter.paused(units=1)
                    traced |= graphs
                with clock:
                    metrics = self._step(images, targets, paths)
                recent.append(reporting.Done(step + 1, paths, metrics))
                self._end_step(step + 1, recent, meter)
        # One that leaves is lost to the others, and one of them may still save.
        distribution.wait_for_all(self._strategy)

    def _begin(self, start: int) -> None:
        """Says what will be trained."""
        model, space = self.experiment.model, self.experiment.space
        if not start and self._average is not None:
            self._average.start()
        self._summaries.hparams(self.experiment)
        _LOGGER.info("search space: %s", space.describe())
        _LOGGER.info(
            "parameters: %s to %s",
            f"{cost.params(model, space.smallest):,}",
            f"{cost.params(model, space.largest):,}",
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

    def _profile(self, step: int, profiling: contextlib.ExitStack) -> None:
        """Starts or ends the profile, if one is wanted."""
        chief = distribution.is_chief(self._strategy)
        if self._run.profile and chief and step == _PROFILED[0]:
            folder = self._folder / "tensorboard" / "train"
            profiling.enter_context(
                tf.profiler.experimental.Profile(str(folder))
            )
        elif step == _PROFILED[1]:
            profiling.close()

    def _end_step(
        self,
        step: int,
        recent: list[reporting.Done],
        meter: progress.Meter,
    ) -> None:
        """Reports, evaluates and saves when due, and at the end."""
        recipe = self.experiment.training
        last = step == self.total_steps
        save = last or step % self._run.checkpoint_every == 0
        log = last or step % self._run.log_every == 0
        if (save or log) and not self._run.skip_nonfinite:
            reporting.require_finite(recent, self._checkpoint.latest)
        if log:
            reporting.report(
                recent, meter, self.total_steps, recipe, self._summaries
            )
            recent.clear()
        if last or step % self._run.evaluate_every == 0:
            with meter.paused():
                self._evaluate(step)
        if save:
            with meter.paused():
                self._checkpoint.save()

    def _evaluate(self, step: int) -> None:
        """Logs the validation accuracy of the watched subnets."""
        accuracies = {
            name: self._evaluator.accuracy(architecture)
            for name, architecture in self._watched.items()
        }
        _LOGGER.info(
            "validation accuracy  %s",
            "  ".join(f"{n} {a:.1%}" for n, a in accuracies.items()),
        )
        self._summaries.scalars(
            step,
            {f"validation_accuracy/{n}": a for n, a in accuracies.items()},
        )
        if self._run.histograms:
            self._summaries.histograms(step, self.supernet)
        self._summaries.flush()


def _load(
    name: str, data_dir: str | None, strategy: tf.distribute.Strategy
) -> datasets.Dataset:
    """The data set, which one worker prepares and the others then find."""
    chief = distribution.is_chief(strategy)
    dataset = datasets.load(name, data_dir) if chief else None
    distribution.wait_for_all(strategy)
    return dataset or datasets.load(name, data_dir)


def _teacher(
    recipe: config_lib.TrainingConfig, source: datasets.Source
) -> teacher_lib.Teacher | None:
    """The teacher, if the recipe has one."""
    if not recipe.teacher:
        return None
    return teacher_lib.Teacher(
        recipe.teacher, source.num_classes, source.mean, source.std
    )


def _require_shares(
    experiment: experiment_lib.Experiment, replicas: int
) -> None:
    """Checks that replicas, micro-batches and pairs can share a batch.

    Raises:
      InputError: they cannot.
    """
    recipe = experiment.training
    parts = replicas * recipe.accumulation
    if recipe.batch_size % parts:
        raise errors.InputError(
            f"batch_size is {recipe.batch_size}; it must be a multiple of the "
            f"number of replicas, {replicas}, times accumulation, "
            f"{recipe.accumulation}"
        )
    mixes = experiment.augmentation.mixes
    pipeline.Part(replicas=replicas).rows(recipe.batch_size, mixes)


def make_optimizer(
    recipe: config_lib.TrainingConfig, total_steps: int, num_examples: int
) -> optimizer_lib.EntangledAdamW:
    """AdamW with linear warm-up and cosine decay, without decay on norms etc.

    Args:
      recipe: rates and decay.
      total_steps: of the training.
      num_examples: training images, for the length of the warm-up.
    """
    warmup = round(recipe.warmup_epochs * num_examples / recipe.batch_size)
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.warmup_learning_rate,
        warmup_target=recipe.peak_learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, total_steps - warmup),
        alpha=recipe.min_learning_rate / recipe.peak_learning_rate,
    )
    optimizer = optimizer_lib.EntangledAdamW(schedule, recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=_NO_DECAY)
    return optimizer


def watched_subnets(
    space: search_space.SearchSpace, count: int
) -> dict[str, architecture_lib.Architecture]:
    """Name -> subnet to evaluate: the extremes and fixed random ones."""
    rng = random.Random(0)
    return {
        "smallest": space.smallest,
        "largest": space.largest,
        **{
            f"random_{index}": sampling.uniform(space, rng)
            for index in range(count)
        },
    }
