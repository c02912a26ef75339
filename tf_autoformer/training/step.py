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
        self._gradients = parallel.Parallel(self._share_gradients)
        # One trace for each depth: every other dimension is a tensor.
        self._run = tf.function(self._distributed_step, autograph=False)

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
            may exceed the first in any dimension.
        """
        subnets = [supernet_lib.extent_tensors(path) for path in paths]
        return self._run(images, targets, subnets)

    @property
    def traces(self) -> int:
        """How often the step was traced."""
        return self._run.experimental_get_tracing_count()

    def _distributed_step(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnets: list[extents.Extents],
    ) -> StepMetrics:
        metrics = self._strategy.run(
            self._replica_step, args=(images, targets, subnets)
        )
        # The same on all replicas.
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            metrics,
        )

    def _replica_step(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        subnets: list[extents.Extents],
    ) -> StepMetrics:
        supernet, optimizer, guard = (
            self._supernet,
            self._optimizer,
            self._guard,
        )
        paths = [supernet.operands(subnet) for subnet in subnets]
        found = self._accumulated((images, targets, self._noise()), paths)
        context = tf.distribute.get_replica_context()
        losses, *gradients = context.all_reduce("SUM", found)
        gradients = guard.unscaled(gradients)
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(tf.reduce_sum(losses) + norm)
        if self._recipe.clip_norm:
            gradients, _ = tf.clip_by_global_norm(
                gradients, self._recipe.clip_norm, use_norm=norm
            )
        variables = tf.nest.flatten(supernet.variables_of(paths[0]))
        updates = list(zip(gradients, variables, strict=True))

        def update() -> None:
            optimizer.update_boxes(updates)
            if self._average is not None:
                self._average.update(updates)

        metrics = StepMetrics(
            losses, norm, optimizer.current_rate(), guard.scale.read_value(), 0
        )
        guard.apply(finite, update)
        optimizer.iterations.assign_add(1)
        skipped = tf.cast(guard.skipped.read_value(), tf.float32)
        return metrics._replace(skipped=skipped)

    def _accumulated(
        self,
        batch: Sequence[tf.Tensor],
        paths: list[supernet_lib.NetworkWeights],
    ) -> list[tf.Tensor]:
        """Losses [paths] and gradients, summed over the replica's batch.

        Args:
          batch: images, targets and noise, rows of which go together.
          paths: the operands of each path.
        """
        count = self._recipe.accumulation
        total: list[tf.Tensor] = []
        for part in zip(*(tf.split(x, count) for x in batch), strict=True):
            # One after the other: so they need the memory of one.
            with tf.control_dependencies(total):
                shares = self._gradients(part, paths)
                if total:
                    shares.append(total)
                total = [
                    tf.add_n([tf.cast(term, tf.float32) for term in terms])
                    for terms in zip(*shares, strict=True)
                ]
        return total

    def _share_gradients(
        self,
        share: Sequence[tf.Tensor],
        paths: list[supernet_lib.NetworkWeights],
    ) -> list[tf.Tensor]:
        """The losses of a share of the batch, and the sum of the gradients.

        Args:
          share: images, targets and noise.
          paths: the operands of each path.

        Returns:
          [paths]; for each of the first path's weights.
        """
        images, targets, noise = share
        losses, sums = [], {}
        taught = None  # The first path's predictions.
        for weights in paths:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                # The slices, not the variables: gradients have their shapes.
                tape.watch(weights)
                if taught is None:
                    logits = self._supernet.forward(images, weights, noise)
                    each = self._label_losses(images, targets, logits)
                    taught = tf.stop_gradient(tf.nn.softmax(logits))
                else:
                    logits = self._supernet.forward(images, weights)
                    each = self._cross_entropy(taught, logits)  # [batch]
                loss = tf.reduce_sum(each) / self._recipe.batch_size
                scaled = self._guard.scaled(loss)
            losses.append(loss)
            gradients = tf.nest.map_structure(
                # Dense: what tf.gather leaves for a table repeats rows.
                tf.convert_to_tensor,
                tape.gradient(scaled, weights),
            )
            sums = _added(sums, gradients) if sums else gradients
        return [tf.stack(losses), *tf.nest.flatten(sums)]

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


Gradients = dict[str, dict[str, tf.Tensor]]


def _added(sums: Gradients, gradients: Gradients) -> Gradients:
    """The sum, of the shapes of `sums`, in float32.

    Args:
      sums: layer -> weight -> sum so far.
      gradients: of the same weights or fewer, none larger than its sum.
    """
    result = dict(sums)
    for layer, weights in gradients.items():
        result[layer] = {
            weight: _padded_sum(sums[layer][weight], gradient)
            for weight, gradient in weights.items()
        }
    return result


def _padded_sum(total: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Adds a leading box of `total`."""
    beyond = tf.shape(total) - tf.shape(box)
    padded = tf.pad(box, tf.stack([tf.zeros_like(beyond), beyond], axis=1))
    return tf.cast(total, tf.float32) + tf.cast(padded, tf.float32)
