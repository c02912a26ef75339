"""One training step: Algorithm 1 under tf.function and tf.distribute."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_autoformer.experiment import methods, training_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import learner
from tf_autoformer.training import state as state_lib
from tf_autoformer.training import teacher as teacher_lib


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
      gradients: Sum of the gradients, by layer and weight. Each has the shape
        of the first path's slice.
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
        """
        first, *others = map(supernet_lib.extent_tensors, paths)
        if not others:
            return self._single(images, targets, first)
        loss, found = self._first(images, targets, first)
        losses = [loss]
        for subnet in others:
            loss, found = self._other(images, found, subnet)
            losses.append(loss)
        return self._last(losses, found.gradients)

    @property
    def traces(self) -> int:
        """Number of times that a graph was traced."""
        graphs = (self._single, self._first, self._other, self._last)
        return sum(g.experimental_get_tracing_count() for g in graphs)

    def _single_path(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> StepMetrics:
        def step(
            images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
        ) -> StepMetrics:
            loss, found = self._learn_first(images, targets, subnet)
            return self._update([loss], found.gradients)

        # The same on all replicas.
        return self._local(
            self._strategy.run(step, args=(images, targets, subnet))
        )

    def _first_path(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> tuple[tf.Tensor, PathGradients]:
        return self._strategy.run(
            self._learn_first, args=(images, targets, subnet)
        )

    def _other_path(
        self, images: tf.Tensor, found: PathGradients, subnet: extents.Extents
    ) -> tuple[tf.Tensor, PathGradients]:
        return self._strategy.run(
            self._learn_other, args=(images, found, subnet)
        )

    def _update_of_paths(
        self, losses: list[tf.Tensor], gradients: learner.Gradients
    ) -> StepMetrics:
        return self._local(
            self._strategy.run(self._update, args=(losses, gradients))
        )

    def _local(self, metrics: StepMetrics) -> StepMetrics:
        """The values of the first replica."""
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            metrics,
        )

    def _learn_first(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> tuple[tf.Tensor, PathGradients]:
        """Loss and gradients of the first path on a replica's images."""
        loss, gradients, predictions = self._learn(
            self._method.first, images, targets, subnet
        )
        return loss, PathGradients(gradients, predictions)

    def _learn_other(
        self, images: tf.Tensor, found: PathGradients, subnet: extents.Extents
    ) -> tuple[tf.Tensor, PathGradients]:
        """Loss of another path, and `found` with its gradients added."""
        loss, boxes, _ = self._learn(
            self._method.others, images, found.predictions, subnet
        )
        gradients = _added(found.gradients, boxes)
        return loss, found._replace(gradients=gradients)

    def _learn(
        self,
        lesson: methods.Lesson,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnet: extents.Extents,
    ) -> tuple[tf.Tensor, learner.Gradients, tf.Tensor]:
        """Loss, gradients and predictions of a path on a replica's images."""
        noise = [self._noise()] if lesson.drop_path else []
        weights = self._state.supernet.operands(subnet)
        return self._learner(lesson, (images, targets, *noise), weights)

    def _update(
        self, losses: list[tf.Tensor], gradients: learner.Gradients
    ) -> StepMetrics:
        """Updates the first path's slices by the gradients of all replicas.

        Args:
          losses: This replica's share of each path's mean loss over the global
            batch.
          gradients: Sum of the paths' gradients on this replica.
        """
        state = self._state
        optimizer, guard = state.optimizer, state.guard
        variables = tf.nest.flatten(state.supernet.variables_of(gradients))
        terms = [tf.stack(losses), *tf.nest.flatten(gradients)]
        context = tf.distribute.get_replica_context()
        losses, *gradients = context.all_reduce(
            # Arguments of a graph are on no device, which is where the sum
            # would be put.
            "SUM",
            [tf.identity(term) for term in terms],
        )
        gradients = guard.unscaled(gradients)
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(tf.reduce_sum(losses) + norm)
        if self._recipe.clip_norm:
            gradients, _ = tf.clip_by_global_norm(
                gradients, self._recipe.clip_norm, use_norm=norm
            )
        updates = list(zip(gradients, variables, strict=True))

        def update() -> None:
            optimizer.update_boxes(updates)
            if state.average is not None:
                state.average.update(updates)

        rate, scale = optimizer.current_rate(), guard.scale.read_value()
        guard.apply(finite, update)
        optimizer.iterations.assign_add(1)
        skipped = tf.cast(guard.skipped.read_value(), tf.float32)
        return StepMetrics(losses, norm, rate, scale, skipped)

    def _noise(self) -> tf.Tensor:
        """The replica's rows of the global batch's drop-path noise.

        It is drawn for the whole batch from seed and step. So neither the
        number of replicas nor a restart changes it.
        """
        recipe = self._recipe
        step = tf.cast(self._state.optimizer.iterations, tf.int32)
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


def _added(
    sums: learner.Gradients, boxes: learner.Gradients
) -> learner.Gradients:
    """The sum of two paths' gradients, in the shapes of `sums`.

    Args:
      sums: Gradients so far, by layer and weight.
      boxes: Gradients of the same weights or fewer. None is larger than its
        sum.
    """
    result = dict(sums)
    for layer, weights in boxes.items():
        result[layer] = {
            weight: sums[layer][weight] + _padded(box, sums[layer][weight])
            for weight, box in weights.items()
        }
    return result


def _padded(box: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """The box with zeros beyond it, to the shape of `like`."""
    beyond = tf.shape(like) - tf.shape(box)
    return tf.pad(box, tf.stack([tf.zeros_like(beyond), beyond], axis=1))
