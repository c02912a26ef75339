"""One training step: Algorithm 1 under tf.function and tf.distribute."""

from typing import NamedTuple

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import optimizer as optimizer_lib
from tf_autoformer.training import parallel


class StepMetrics(NamedTuple):
    """What a step reports: float32 scalars over the global batch."""

    loss: tf.Tensor
    gradient_norm: tf.Tensor
    learning_rate: tf.Tensor


class TrainStep:
    """Trains the slices of one architecture on one batch.

    Args:
      strategy: the supernet's and the optimizer's.
      supernet: the weights to train.
      optimizer: built on all of them; its iterations are the step count.
      batch_size: images over all replicas.
      label_smoothing: share of the target spread over all classes.
      seed: of the drop path.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
        optimizer: optimizer_lib.EntangledAdamW,
        batch_size: int,
        label_smoothing: float,
        seed: int,
    ):
        self._strategy = strategy
        self._supernet = supernet
        self._optimizer = optimizer
        self._batch_size = batch_size
        self._seed = seed
        self._cross_entropy = tf.keras.losses.CategoricalCrossentropy(
            from_logits=True,
            label_smoothing=label_smoothing,
            reduction=tf.keras.losses.Reduction.NONE,
        )
        self._gradients = parallel.Parallel(self._share_gradients)
        # One trace for each depth: every other dimension is a tensor.
        self._run = tf.function(self._distributed_step, autograph=False)

    def __call__(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        architecture: architecture_lib.Architecture,
    ) -> StepMetrics:
        """Takes one step.

        Args:
          images: float32 [batch, height, width, channels], normalized, or a
            per-replica value of it.
          labels: int [batch], likewise.
          architecture: the one to sample; the same on all replicas.
        """
        subnet = supernet_lib.extent_tensors(architecture)
        return self._run(images, labels, subnet)

    @property
    def traces(self) -> int:
        """How often the step was traced."""
        return self._run.experimental_get_tracing_count()

    def _distributed_step(
        self, images: tf.Tensor, labels: tf.Tensor, subnet: extents.Extents
    ) -> StepMetrics:
        metrics = self._strategy.run(
            self._replica_step, args=(images, labels, subnet)
        )
        # Each replica has its share of the loss; the rest they have in common.
        return StepMetrics(
            loss=self._strategy.reduce("SUM", metrics.loss, axis=None),
            gradient_norm=self._strategy.reduce(
                "MEAN", metrics.gradient_norm, axis=None
            ),
            learning_rate=self._strategy.reduce(
                "MEAN", metrics.learning_rate, axis=None
            ),
        )

    def _replica_step(
        self, images: tf.Tensor, labels: tf.Tensor, subnet: extents.Extents
    ) -> StepMetrics:
        supernet = self._supernet
        weights = supernet.operands(subnet)
        shares = self._gradients((images, labels, self._noise()), weights)
        loss, *gradients = (
            tf.add_n([tf.cast(part, tf.float32) for part in parts])
            for parts in zip(*shares, strict=True)
        )
        variables = tf.nest.flatten(supernet.variables_of(weights))
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce("SUM", gradients)
        self._optimizer.apply_gradients(
            zip(gradients, variables, strict=True),
            skip_gradients_aggregation=True,
        )
        return StepMetrics(
            loss=loss,
            gradient_norm=tf.linalg.global_norm(gradients),
            learning_rate=tf.identity(self._optimizer.learning_rate),
        )

    def _share_gradients(
        self,
        share: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> list[tf.Tensor]:
        """The loss of a share of the batch, and its gradients by weight."""
        images, labels, noise = share
        supernet = self._supernet
        targets = tf.one_hot(labels, supernet.model.num_classes)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # The slices, not the variables: so gradients have their shapes.
            tape.watch(weights)
            logits = supernet.forward(images, weights, noise)
            losses = self._cross_entropy(targets, logits)  # [batch]
            loss = tf.reduce_sum(losses) / self._batch_size
        # Dense: what tf.gather leaves for a table of offsets repeats rows.
        gradients = tf.nest.flatten(tape.gradient(loss, weights))
        return [loss, *map(tf.convert_to_tensor, gradients)]

    def _noise(self) -> tf.Tensor:
        """The replica's rows of the global batch's drop-path noise.

        Drawn for the whole batch from seed and step, so that neither the
        number of replicas nor a restart changes it.
        """
        step = tf.cast(self._optimizer.iterations, tf.int32)
        # Folded: (seed, step) itself is the augmentation's.
        seed = tf.random.experimental.stateless_fold_in(
            tf.stack([self._seed, step]), 1
        )
        noise = tf.random.stateless_uniform(
            [self._batch_size, self._supernet.max_depth, 2], seed
        )
        context = tf.distribute.get_replica_context()
        rows = self._batch_size // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * rows
        return noise[start : start + rows]
