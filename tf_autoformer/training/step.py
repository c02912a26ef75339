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
from tf_autoformer.training import optimizer as optimizer_lib
from tf_autoformer.training import parallel
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


Gradients = dict[str, dict[str, tf.Tensor]]


class Found(NamedTuple):
    """What the paths so far have found on a replica's images.

    Attributes:
      gradients: their sum, layer -> weight -> of the first path's slice.
      predictions: [rows, classes], of the first path.
    """

    gradients: Gradients
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
        self._teacher = teacher
        self._cross_entropy = tf.keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction=tf.keras.losses.Reduction.NONE
        )
        self._smoothed = tf.keras.losses.CategoricalCrossentropy(
            from_logits=True,
            label_smoothing=recipe.label_smoothing,
            reduction=tf.keras.losses.Reduction.NONE,
        )
        self._learn = {
            "labels": parallel.Parallel(self._share_of_labels),
            "predictions": parallel.Parallel(self._share_of_predictions),
        }
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
        self, losses: list[tf.Tensor], gradients: Gradients
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
        loss, gradients, predictions = self._in_parts(
            "labels", (images, targets, self._noise()), weights
        )
        return loss, Found(gradients, predictions)

    def _from_predictions(
        self, images: tf.Tensor, found: Found, subnet: extents.Extents
    ) -> tuple[tf.Tensor, Found]:
        """Another path's loss, and `found` with its gradients."""
        weights = self._supernet.operands(subnet)
        loss, boxes, _ = self._in_parts(
            "predictions", (images, found.predictions), weights
        )
        gradients = _added(found.gradients, boxes)
        return loss, found._replace(gradients=gradients)

    def _update(
        self, losses: list[tf.Tensor], gradients: Gradients
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

    def _in_parts(
        self,
        kind: str,
        batch: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> tuple[tf.Tensor, Gradients, tf.Tensor]:
        """Loss, gradients and predictions of a replica's batch.

        Args:
          kind: what to learn from, "labels" or "predictions".
          batch: tensors of whose rows go together.
          weights: the path's operands.
        """
        count = self._recipe.accumulation
        total: list[tf.Tensor] = []
        predictions = []
        for part in zip(*(tf.split(x, count) for x in batch), strict=True):
            # One after the other: so they need the memory of one.
            with tf.control_dependencies(total):
                shares = self._learn[kind](part, weights)
                predictions += [share.pop() for share in shares]
                found = _sum(shares)
                total = _sum([total, found]) if total else found
        loss, *gradients = total
        return (
            loss,
            tf.nest.pack_sequence_as(weights, gradients),
            tf.concat(predictions, axis=0),
        )

    def _share_of_labels(
        self,
        share: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> list[tf.Tensor]:
        """Loss and gradients of a share of the batch, and predictions.

        Args:
          share: images, targets and noise.
          weights: a path's operands.

        Returns:
          Scalar; for each of the weights; [share, classes].
        """
        images, targets, noise = share
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # The slices, not the variables: so gradients have their shapes.
            tape.watch(weights)
            logits = self._supernet.forward(images, weights, noise)
            losses = self._label_losses(images, targets, logits)
            loss = self._mean(losses)
            scaled = self._guard.scaled(loss)
        return [loss, *_dense(tape, scaled, weights), tf.nn.softmax(logits)]

    def _share_of_predictions(
        self,
        share: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> list[tf.Tensor]:
        """Loss and gradients of a share of the batch.

        Args:
          share: images and the first path's predictions.
          weights: a path's operands.

        Returns:
          As `_share_of_labels`.
        """
        images, predictions = share
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = self._supernet.forward(images, weights)
            loss = self._mean(self._cross_entropy(predictions, logits))
            scaled = self._guard.scaled(loss)
        return [loss, *_dense(tape, scaled, weights), predictions]

    def _mean(self, losses: tf.Tensor) -> tf.Tensor:
        """What losses [share] contribute to the mean over the global batch."""
        return tf.reduce_sum(losses) / self._recipe.batch_size

    def _label_losses(
        self, images: tf.Tensor, targets: tf.Tensor, logits: tf.Tensor
    ) -> tf.Tensor:
        """Cross-entropy [batch] with the labels, half with the teacher's."""
        losses = self._smoothed(targets, logits)
        if self._teacher is None:
            return losses
        taught = self._cross_entropy(self._teacher.targets(images), logits)
        return (losses + taught) / 2

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


def _dense(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    weights: supernet_lib.NetworkWeights,
) -> list[tf.Tensor]:
    """The gradients; what tf.gather leaves for a table repeats rows."""
    gradients = tf.nest.flatten(tape.gradient(loss, weights))
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _sum(shares: list[list[tf.Tensor]]) -> list[tf.Tensor]:
    """The sum of the shares' results, in float32."""
    return [
        tf.add_n([tf.cast(term, tf.float32) for term in terms])
        for terms in zip(*shares, strict=True)
    ]


def _added(sums: Gradients, boxes: Gradients) -> Gradients:
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
