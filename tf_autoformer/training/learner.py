"""Loss and gradients of one path on a replica's images."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.experiment import methods, training_config
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import teacher as teacher_lib

Gradients = dict[str, dict[str, tf.Tensor]]


class Learner:
    """Finds the gradients of a path on a replica's images.

    Args:
      supernet: Supernet whose slices learn.
      recipe: Method, batch size, parts of the batch and losses.
      guard: Guard that scales the loss.
      teacher: Teacher to distil from, if any.
    """

    def __init__(
        self,
        supernet: supernet_lib.Supernet,
        recipe: training_config.TrainingConfig,
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
        method = methods.METHODS[recipe.method]
        self._learn = {
            lesson: parallel.Parallel(functools.partial(self._share, lesson))
            for lesson in (method.first, method.others)
            if lesson is not None
        }

    def __call__(
        self,
        lesson: methods.Lesson,
        batch: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> tuple[tf.Tensor, Gradients, tf.Tensor]:
        """Loss, gradients and predictions of a replica's batch.

        Args:
          lesson: One of the method's lessons.
          batch: Images, targets and, if the lesson has drop path, its noise.
          weights: Operands of the path.

        Returns:
          Loss, a scalar. Gradients, in the structure of `weights`. Predictions,
          [rows, classes]. All are float32.
        """
        count = self._recipe.accumulation
        total: list[tf.Tensor] = []
        predictions = []
        for part in zip(*(tf.split(x, count) for x in batch), strict=True):
            # One part after the other, in the memory of one.
            with tf.control_dependencies(total):
                shares = self._learn[lesson](part, weights)
                predictions += [share.pop() for share in shares]
                found = _sum(shares)
                total = _sum([total, found]) if total else found
        loss, *gradients = total
        return (
            loss,
            tf.nest.pack_sequence_as(weights, gradients),
            tf.concat(predictions, axis=0),
        )

    def _share(
        self,
        lesson: methods.Lesson,
        share: Sequence[tf.Tensor],
        weights: supernet_lib.NetworkWeights,
    ) -> list[tf.Tensor]:
        """Loss, gradients and predictions of a share of the batch.

        Args:
          lesson: One of the method's lessons.
          share: Rows of the batch. See `__call__`.
          weights: Operands of the path.

        Returns:
          Loss, a scalar. The gradient of each weight. Predictions, [rows,
          classes].
        """
        images, targets, *noise = share
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # The slices, not the variables: so gradients have their shapes.
            tape.watch(weights)
            logits = self._supernet.forward(images, weights, *noise)
            if lesson.labelled:
                losses = self._label_losses(images, targets, logits)
            else:
                losses = self._cross_entropy(targets, logits)
            loss = self._mean(losses)
            scaled = self._guard.scaled(loss)
        return [loss, *_dense(tape, scaled, weights), tf.nn.softmax(logits)]

    def _mean(self, losses: tf.Tensor) -> tf.Tensor:
        """The losses' contribution to the mean over the global batch.

        Args:
          losses: Losses of a share of the batch, [rows].
        """
        return tf.reduce_sum(losses) / self._recipe.batch_size

    def _label_losses(
        self, images: tf.Tensor, targets: tf.Tensor, logits: tf.Tensor
    ) -> tf.Tensor:
        """Cross-entropy with the labels, half of it with the teacher's.

        Returns:
          Losses, [rows].
        """
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
    """The gradients as tensors. tf.gather's has slices that repeat rows."""
    gradients = tf.nest.flatten(tape.gradient(loss, weights))
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def _sum(shares: list[list[tf.Tensor]]) -> list[tf.Tensor]:
    """The sum of the shares' results, in float32."""
    return [
        tf.add_n([tf.cast(term, tf.float32) for term in terms])
        for terms in zip(*shares, strict=True)
    ]
