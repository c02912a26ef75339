"""Algorithm 1 as a loop that can be stopped and continued at any time."""

import contextlib
import dataclasses
import logging
import os
import random

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data import datasets, pipeline
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, sampling, search_space
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import checkpoint, evaluation, progress, summaries
from tf_autoformer.training import config as config_lib
from tf_autoformer.training import experiment as experiment_lib
from tf_autoformer.training import optimizer as optimizer_lib
from tf_autoformer.training import step as step_lib

_LOGGER = logging.getLogger(__name__)

# Weights without weight decay, by name: all but kernels.
_NO_DECAY = ["bias", "gamma", "beta", "embedding", "vertical", "horizontal"]


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How often the loop reports and saves; the result does not depend on it.

    Attributes:
      log_every: steps between progress lines and TensorBoard scalars.
      evaluate_every: steps between evaluations of the watched subnets.
      checkpoint_every: steps between checkpoints.
      watched_subnets: random subnets evaluated beside the smallest and the
        largest.
    """

    log_every: int = 100
    evaluate_every: int = 1000
    checkpoint_every: int = 500
    watched_subnets: int = 3

    def __post_init__(self) -> None:
        for field in ("log_every", "evaluate_every", "checkpoint_every"):
            if getattr(self, field) < 1:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must be at least 1"
                )


class Trainer:
    """Trains a supernet in a working folder, from scratch or further.

    Args:
      experiment: what to train.
      workdir: where; see docs/architecture.md.
      data_dir: where prepared data sets are kept; TFDS's default if None.
      cadence: how often to report and save.
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
        cadence: Cadence,
        strategy: tf.distribute.Strategy,
    ):
        recipe = experiment.training
        if recipe.batch_size % strategy.num_replicas_in_sync:
            raise errors.InputError(
                f"batch_size is {recipe.batch_size}; it must be a multiple of "
                f"the number of replicas, {strategy.num_replicas_in_sync}"
            )
        files.require_writable(workdir)
        self.experiment = experiment
        self._cadence = cadence
        self._strategy = strategy
        self._dataset = datasets.load(experiment.dataset, data_dir)
        experiment_lib.claim(workdir, dataclasses.asdict(experiment))
        images = self._dataset.num_examples("train")
        self.total_steps = recipe.steps(images)

        tf.keras.utils.set_random_seed(recipe.seed)
        with strategy.scope():
            self.supernet = supernet_lib.Supernet(
                experiment.model, experiment.space, recipe.precision
            )
            optimizer = make_optimizer(recipe, self.total_steps, images)
            optimizer.build(self.supernet.trainable_variables)
        self._step = step_lib.TrainStep(
            strategy,
            self.supernet,
            optimizer,
            recipe.batch_size,
            recipe.label_smoothing,
            recipe.seed,
        )
        self._sampler = sampling.UniformSampler(experiment.space, recipe.seed)
        self._checkpoint = checkpoint.TrainingCheckpoint(
            workdir, self.supernet, optimizer, self._sampler
        )
        self._summaries = summaries.Summaries(workdir)
        self._watched = watched_subnets(
            experiment.space, cadence.watched_subnets
        )
        self._evaluator = evaluation.Evaluator(
            strategy,
            self.supernet,
            self._dataset,
            "validation",
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
        recent: list[step_lib.StepMetrics] = []
        traced: set[int] = set()
        steps = range(start, self.total_steps)
        # The range first: so no batch is drawn that no step takes.
        for step, (images, labels) in zip(steps, self._batches(start)):  # noqa: B905
            if step == start:
                self._show(step, images)
            architecture = self._sampler.sample()
            if architecture.depth in traced:
                clock = contextlib.nullcontext()
            else:  # With its tracing it would make the rest look far longer.
                clock = meter.paused(units=1)
                traced.add(architecture.depth)
            with clock:
                recent.append(self._step(images, labels, architecture))
            self._end_step(step + 1, recent, meter)

    def _begin(self, start: int) -> None:
        """Says what will be trained."""
        model, space = self.experiment.model, self.experiment.space
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

    def _batches(self, start: int) -> tf.distribute.DistributedDataset:
        recipe = self.experiment.training
        return self._strategy.experimental_distribute_dataset(
            pipeline.training(
                self._dataset,
                self.experiment.model.input_size,
                recipe.batch_size,
                recipe.seed,
                start,
            )
        )

    def _show(self, step: int, images: tf.Tensor) -> None:
        """Puts a replica's images on TensorBoard."""
        local = self._strategy.experimental_local_results(images)[0]
        self._summaries.images(step, local)

    def _end_step(
        self,
        step: int,
        recent: list[step_lib.StepMetrics],
        meter: progress.Meter,
    ) -> None:
        """Reports, evaluates and saves when due, and at the end."""
        last = step == self.total_steps
        save = last or step % self._cadence.checkpoint_every == 0
        log = last or step % self._cadence.log_every == 0
        if save or log:
            _require_finite(step, recent)
        if log:
            self._report(step, recent, meter)
            recent.clear()
        if last or step % self._cadence.evaluate_every == 0:
            with meter.paused():
                self._evaluate(step)
        if save:
            with meter.paused():
                self._checkpoint.save()

    def _report(
        self,
        step: int,
        recent: list[step_lib.StepMetrics],
        meter: progress.Meter,
    ) -> None:
        """Logs the mean of the recent steps."""
        means = step_lib.StepMetrics(
            *(float(np.mean(values)) for values in zip(*recent, strict=True))
        )
        steps_per_second, eta = meter.update(step)
        speed = steps_per_second * self.experiment.training.batch_size
        _LOGGER.info(
            "step %d/%d  loss %.3f  lr %.2e  gradient norm %.2f  "
            "%.0f images/s  ETA %s",
            step,
            self.total_steps,
            means.loss,
            means.learning_rate,
            means.gradient_norm,
            speed,
            eta,
        )
        self._summaries.metrics(step, means, speed)

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
        self._summaries.accuracies(step, accuracies)
        self._summaries.flush()


def _require_finite(step: int, recent: list[step_lib.StepMetrics]) -> None:
    """Fails before a checkpoint of a broken training replaces a good one."""
    for name in ("loss", "gradient_norm"):
        values = [float(getattr(metrics, name)) for metrics in recent]
        if not np.all(np.isfinite(values)):
            raise errors.InputError(
                f"the {name} is {values[-1]} by step {step}; nothing was "
                "saved since; start again in another workdir, for example "
                "with a smaller learning_rate"
            )


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
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, total_steps - warmup),
        alpha=recipe.min_learning_rate / recipe.learning_rate,
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
