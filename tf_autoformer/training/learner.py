"""Loss and gradients of one path on a replica's images."""

from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import config as config_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import parallel
from tf_autoformer.training import teacher as teacher_lib

Gradients = dict[str, dict[str, tf.Tensor]]


class Learner:
    """Finds what a path learns from the labels, or from predictions.

    Args:
      supernet: whose slices learn.
      recipe: batch size, parts of the batch and losses.
      guard: scales the loss.
      teacher: to distil from, if any.
    """

    def __init__(
        self,
        supernet: supernet_lib.Supernet,
        recipe: config_lib.TrainingConfig,
        guard: guard_lib.Guard,
        teacher: teacher_lib.Teacher | None,
    ):
        self._supernet = supernet
        self._recipe = recipe
        self._guard = guard
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

    def __call__(
        self,
        kind: str,
        batch: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> tuple[tf.Tensor, Gradients, tf.Tensor]:
        """Loss, gradients and predictions of a replica's batch.

        Args:
          kind: what to learn from, "labels" or "predictions".
          batch: images, targets and noise, or images and predictions.
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
