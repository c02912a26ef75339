"""One training step: Algorithm 1 under tf.function and tf.distribute."""

from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import tensorflow as tf

from tf_autoformer.experiment import methods, training_config
from tf_autoformer.experiment import teacher as teacher_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import cores, packing, parts, program
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import learner
from tf_autoformer.training import state as state_lib


class StepMetrics(NamedTuple):
    """Figures of a step, over the global batch. All are float32.

    Attributes:
      losses: Loss of each path, [paths].
      gradient_norm: Norm of the gradients before clipping, a scalar.
      learning_rate: Learning rate of the step, a scalar.
      loss_scale: Scale of the loss, a scalar.
      skipped: Number of updates skipped so far, a scalar.
    """

    losses: tf.Tensor
    gradient_norm: tf.Tensor
    learning_rate: tf.Tensor
    loss_scale: tf.Tensor
    skipped: tf.Tensor


class PathGradients(NamedTuple):
    """Gradients of this step's paths so far, on one replica.

    Attributes:
      gradients: Sum of the gradients, in the shapes of the first path's
        slices.
      predictions: Predictions of the first path, [rows, classes].
    """

    gradients: learner.Gradients
    predictions: tf.Tensor


class TrainStep:
    """Trains the slices of a step's paths on one batch.

    The update's box is the first path's, which holds the others. The method
    decides what each path learns from. See `experiment.methods`.

    Args:
      strategy: Strategy that the state was created under.
      state: State of the training. The optimizer's iterations count the steps.
      recipe: Method, batch size, losses and treatment of the gradients.
      teacher: Teacher to distil from, if any.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        state: state_lib.TrainState,
        recipe: training_config.TrainingConfig,
        teacher: teacher_lib.Teacher | None = None,
    ):
        self._strategy = strategy
        self._state = state
        self._recipe = recipe
        self._method = methods.METHODS[recipe.method]
        self._learner = learner.Learner(
            state.supernet, recipe, state.guard, teacher
        )
        self._add_boxes = program.program(
            packing.add_boxes, state.supernet.compiled
        )
        # One trace for each depth, as every other dimension is a tensor.
        self._single = tf.function(self._single_path, autograph=False)
        # With several paths, each has a graph of its own, again one for each
        # depth. A common graph would be traced for each tuple of depths.
        self._first = tf.function(self._first_path, autograph=False)
        self._other = tf.function(self._other_path, autograph=False)
        self._last = tf.function(self._update_of_paths, autograph=False)

    def __call__(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        paths: Sequence[architecture_lib.Architecture],
        step: int | None = None,
    ) -> StepMetrics:
        """Takes one step.

        Args:
          images: Normalized images, float32 [batch, height, width, channels],
            or a per-replica value of such tensors.
          targets: Share of each class, float32 [batch, classes], or a
            per-replica value of such tensors.
          paths: Architectures to train, the same on all replicas. None may
            exceed the first in any dimension. If there are several, a new
            first one is a new trace.
          step: Number of steps taken before, if it is known. Otherwise it is
            read, for which a GPU must first end its work.
        """
        if step is None:
            step = int(self._state.optimizer.iterations.numpy())
        step = tf.constant(step, tf.int32)
        first, *others = map(supernet_lib.extent_tensors, paths)
        if not others:
            return self._single(images, targets, first, step)
        loss, found = self._first(images, targets, first, step)
        losses = [loss]
        for subnet in others:
            loss, found = self._other(images, found, first, subnet, step)
            losses.append(loss)
        return self._last(losses, found.gradients, first)

    def compile_ahead(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnets: Sequence[architecture_lib.Architecture],
    ) -> Iterator[None]:
        """Has XLA compile programs of several subnets at the same time.

        It finds the gradients of each subnet for each of the method's lessons,
        and updates nothing. Programs of the update are compiled by the first
        steps.

        Args:
          images: Images. See `__call__`.
          targets: Targets. See `__call__`.
          subnets: Subnets that have the parts' sizes. See `parts.samples`.

        Yields:
          None for each subnet that is done.
        """
        step = tf.constant(0)
        arguments = [
            (images, targets, supernet_lib.extent_tensors(subnet), step)
            for subnet in subnets
        ]
        # Traced here, or each thread would trace it.
        learn = tf.function(
            self._every_lesson, autograph=False
        ).get_concrete_function(*arguments[0])
        pool = futures.ThreadPoolExecutor(cores.available())
        try:
            work = [pool.submit(learn, *each) for each in arguments]
            for done in futures.as_completed(work):
                done.result()
                yield
        finally:  # An interruption waits only for what is being compiled.
            pool.shutdown(cancel_futures=True)

    @property
    def traces(self) -> int:
        """Number of times that a graph was traced."""
        graphs = (self._single, self._first, self._other, self._last)
        return sum(g.experimental_get_tracing_count() for g in graphs)

    def _single_path(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> StepMetrics:
        def take(*batch: Any) -> StepMetrics:
            loss, found = self._learn_first(*batch)
            return self._update([loss], found.gradients, subnet)

        # The same on all replicas.
        return self._local(
            self._strategy.run(take, args=(images, targets, subnet, step))
        )

    def _every_lesson(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> learner.Gradients:
        """The gradients of a subnet as the first path and as another."""

        def learn(
            images: tf.Tensor,
            targets: tf.Tensor,
            subnet: extents.Extents,
            step: tf.Tensor,
        ) -> learner.Gradients:
            _, found = self._learn_first(images, targets, subnet, step)
            if self._method.others is not None:
                _, found = self._learn_other(
                    images, found, subnet, subnet, step
                )
            return found.gradients

        return self._strategy.run(learn, args=(images, targets, subnet, step))

    def _first_path(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, PathGradients]:
        return self._strategy.run(
            self._learn_first, args=(images, targets, subnet, step)
        )

    def _other_path(
        self,
        images: tf.Tensor,
        found: PathGradients,
        first: extents.Extents,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, PathGradients]:
        return self._strategy.run(
            self._learn_other, args=(images, found, first, subnet, step)
        )

    def _update_of_paths(
        self,
        losses: list[tf.Tensor],
        gradients: learner.Gradients,
        first: extents.Extents,
    ) -> StepMetrics:
        return self._local(
            self._strategy.run(self._update, args=(losses, gradients, first))
        )

    def _local(self, metrics: StepMetrics) -> StepMetrics:
        """The values of the first replica."""
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            metrics,
        )

    def _learn_first(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, PathGradients]:
        """Loss and gradients of the first path on a replica's images."""
        loss, gradients, predictions = self._learn(
            self._method.first, images, targets, subnet, step
        )
        return loss, PathGradients(gradients, predictions)

    def _learn_other(
        self,
        images: tf.Tensor,
        found: PathGradients,
        first: extents.Extents,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, PathGradients]:
        """Loss of another path, and `found` with its gradients added."""
        loss, boxes, _ = self._learn(
            self._method.others, images, found.predictions, subnet, step
        )
        gradients = list(found.gradients)
        # A shallower path has the first parts.
        shapes = zip(self._shapes(first), self._shapes(subnet), strict=False)
        for index, (whole, part) in enumerate(shapes):
            gradients[index] = self._add_boxes(
                gradients[index], whole, boxes[index], part
            )
        return loss, found._replace(gradients=gradients)

    def _shapes(self, subnet: extents.Extents) -> list[list[tf.Tensor]]:
        """For each part, the shapes of its weights' slices."""
        model = self._state.supernet.model
        return [
            tf.nest.flatten(part)
            for part in parts.grouped(model, parts.shapes(model, subnet))
        ]

    def _learn(
        self,
        lesson: methods.Lesson,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, learner.Gradients, tf.Tensor]:
        """Loss, gradients and predictions of a path on a replica's images."""
        noise = [self._noise(step)] if lesson.drop_path else []
        weights = self._state.supernet.operands(subnet)
        return self._learner(lesson, (images, targets, *noise), weights)

    def _update(
        self,
        losses: list[tf.Tensor],
        gradients: learner.Gradients,
        first: extents.Extents,
    ) -> StepMetrics:
        """Updates the first path's slices by the gradients of all replicas.

        Args:
          losses: This replica's share of each path's mean loss over the global
            batch.
          gradients: Sum of the paths' gradients on this replica.
          first: Extents of the first path.
        """
        state, supernet = self._state, self._state.supernet
        optimizer, guard = state.optimizer, state.guard
        losses, *gradients = _summed([tf.stack(losses), *gradients])
        gradients = guard.unscaled(gradients)
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(tf.reduce_sum(losses) + norm)
        if self._recipe.clip_norm:
            gradients, _ = tf.clip_by_global_norm(
                gradients, self._recipe.clip_norm, use_norm=norm
            )
        boxes = parts.shapes(supernet.model, first)
        shapes, variables = (
            [tf.nest.flatten(p) for p in parts.grouped(supernet.model, values)]
            for values in (boxes, supernet.variables_of(boxes))
        )

        def update() -> None:
            for part in zip(gradients, shapes, variables, strict=True):
                optimizer.update_packed(*part, rates)
                if state.average is not None:
                    state.average.update(*part[1:])

        rates, scale = optimizer.rates(), guard.scale.read_value()
        guard.apply(finite, update)
        optimizer.iterations.assign_add(1)
        skipped = tf.cast(guard.skipped.read_value(), tf.float32)
        return StepMetrics(losses, norm, rates.learning_rate, scale, skipped)

    def _noise(self, step: tf.Tensor) -> tf.Tensor:
        """The replica's rows of the global batch's drop-path noise.

        It is drawn for the whole batch from seed and step. So neither the
        number of replicas nor a restart changes it.

        Args:
          step: Number of the step, int32.
        """
        recipe = self._recipe
        # Folded: (seed, step) itself is the augmentation's.
        seed = tf.random.experimental.stateless_fold_in(
            tf.stack([recipe.seed, step]), 1
        )
        noise = tf.random.stateless_uniform(
            [recipe.batch_size, self._state.supernet.max_depth, 2], seed
        )
        context = tf.distribute.get_replica_context()
        rows = recipe.batch_size // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * rows
        return noise[start : start + rows]


def _summed(vectors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The sums of vectors over the replicas, in one all-reduce."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return vectors
    total = context.all_reduce("SUM", tf.concat(vectors, axis=0))
    return tf.split(total, list(map(tf.size, vectors)), num=len(vectors))
