"""One training step: Algorithm 1 under tf.function and tf.distribute."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import average as average_lib
from tf_autoformer.training import config as config_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import learner
from tf_autoformer.training import optimizer as optimizer_lib
from tf_autoformer.training import teacher as teacher_lib


class StepMetrics(NamedTuple):
    """What a step reports, over the global batch: float32.

    Attributes:
      losses: [paths], as each path learnt it.
      gradient_norm: scalar, before clipping.
      learning_rate: scalar.
      loss_scale: scalar.
      skipped: scalar, updates skipped so far.
    """

    losses: tf.Tensor
    gradient_norm: tf.Tensor
    learning_rate: tf.Tensor
    loss_scale: tf.Tensor
    skipped: tf.Tensor


class Found(NamedTuple):
    """What the paths so far have found on a replica's images.

    Attributes:
      gradients: their sum, layer -> weight -> of the first path's slice.
      predictions: [rows, classes], of the first path.
    """

    gradients: learner.Gradients
    predictions: tf.Tensor


class TrainStep:
    """Trains the slices of a step's paths on one batch.

    The update's box is the first path's, which holds the others. The first
    learns from the labels (and the teacher), with drop path; the others, which
    only the sandwich rule has, from what the first predicts (in-place
    distillation; BigNAS, section 3.1).

    Args:
      strategy: the supernet's and the optimizer's.
      supernet: the weights to train.
      optimizer: built on all of them; its iterations are the step count.
      recipe: batch size, losses and what is done with the gradients.
      guard: of the gradients.
      average: of the weights, if any.
      teacher: to distil from, if any.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
        optimizer: optimizer_lib.EntangledAdamW,
        recipe: config_lib.TrainingConfig,
        guard: guard_lib.Guard,
        average: average_lib.EntangledAverage | None = None,
        teacher: teacher_lib.Teacher | None = None,
    ):
        self._strategy = strategy
        self._supernet = supernet
        self._optimizer = optimizer
        self._recipe = recipe
        self._guard = guard
        self._average = average
        self._learner = learner.Learner(supernet, recipe, guard, teacher)
        # One trace for each depth: every other dimension is a tensor.
        self._single = tf.function(self._single_path, autograph=False)
        # Of several paths each has its own graph, again one for each depth:
        # in one graph there would be one for each tuple of depths.
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
          images: float32 [batch, height, width, channels], normalized, or a
            per-replica value of it.
          targets: float32 [batch, classes], shares of each class, likewise.
          paths: architectures to train, the same on all replicas; no other
            may exceed the first in any dimension. Where there are others, a
            new first one is a new trace.
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
        """How often a graph was traced."""
        graphs = (self._single, self._first, self._other, self._last)
        return sum(g.experimental_get_tracing_count() for g in graphs)

    def _single_path(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> StepMetrics:
        def step(
            images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
        ) -> StepMetrics:
            loss, found = self._from_labels(images, targets, subnet)
            return self._update([loss], found.gradients)

        # The same on all replicas.
        return self._local(
            self._strategy.run(step, args=(images, targets, subnet))
        )

    def _first_path(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> tuple[tf.Tensor, Found]:
        return self._strategy.run(
            self._from_labels, args=(images, targets, subnet)
        )

    def _other_path(
        self, images: tf.Tensor, found: Found, subnet: extents.Extents
    ) -> tuple[tf.Tensor, Found]:
        return self._strategy.run(
            self._from_predictions, args=(images, found, subnet)
        )

    def _update_of_paths(
        self, losses: list[tf.Tensor], gradients: learner.Gradients
    ) -> StepMetrics:
        return self._local(
            self._strategy.run(self._update, args=(losses, gradients))
        )

    def _local(self, metrics: StepMetrics) -> StepMetrics:
        """The first replica's values."""
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            metrics,
        )

    def _from_labels(
        self, images: tf.Tensor, targets: tf.Tensor, subnet: extents.Extents
    ) -> tuple[tf.Tensor, Found]:
        """The first path's loss and what it finds on a replica's images."""
        weights = self._supernet.operands(subnet)
        loss, gradients, predictions = self._learner(
            "labels", (images, targets, self._noise()), weights
        )
        return loss, Found(gradients, predictions)

    def _from_predictions(
        self, images: tf.Tensor, found: Found, subnet: extents.Extents
    ) -> tuple[tf.Tensor, Found]:
        """Another path's loss, and `found` with its gradients."""
        weights = self._supernet.operands(subnet)
        loss, boxes, _ = self._learner(
            "predictions", (images, found.predictions), weights
        )
        gradients = _added(found.gradients, boxes)
        return loss, found._replace(gradients=gradients)

    def _update(
        self, losses: list[tf.Tensor], gradients: learner.Gradients
    ) -> StepMetrics:
        """Updates the first path's slices, by what all replicas found.

        Args:
          losses: of each path, shares of its mean over the global batch.
          gradients: the paths' sum.
        """
        optimizer, guard = self._optimizer, self._guard
        variables = tf.nest.flatten(self._supernet.variables_of(gradients))
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
            if self._average is not None:
                self._average.update(updates)

        rate, scale = optimizer.current_rate(), guard.scale.read_value()
        guard.apply(finite, update)
        optimizer.iterations.assign_add(1)
        skipped = tf.cast(guard.skipped.read_value(), tf.float32)
        return StepMetrics(losses, norm, rate, scale, skipped)

    def _noise(self) -> tf.Tensor:
        """The replica's rows of the global batch's drop-path noise.

        Drawn for the whole batch from seed and step, so that neither the
        number of replicas nor a restart changes it.
        """
        recipe = self._recipe
        step = tf.cast(self._optimizer.iterations, tf.int32)
        # Folded: (seed, step) itself is the augmentation's.
        seed = tf.random.experimental.stateless_fold_in(
            tf.stack([recipe.seed, step]), 1
        )
        noise = tf.random.stateless_uniform(
            [recipe.batch_size, self._supernet.max_depth, 2], seed
        )
        context = tf.distribute.get_replica_context()
        rows = recipe.batch_size // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * rows
        return noise[start : start + rows]


def _added(
    sums: learner.Gradients, boxes: learner.Gradients
) -> learner.Gradients:
    """The sum, of the shapes of `sums`.

    Args:
      sums: layer -> weight -> sum so far.
      boxes: of the same weights or fewer, none larger than its sum.
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
