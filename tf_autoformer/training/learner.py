"""Loss and gradients of one path on a replica's images."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from tf_autoformer.experiment import methods, training_config
from tf_autoformer.experiment import teacher as teacher_lib
from tf_autoformer.supernet import parallel, program
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import guard as guard_lib

# A vector for each part of `parts.grouped`, float32 [size].
Gradients = list[tf.Tensor]


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
        self._loss = program.program(self._loss_of, supernet.compiled)
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
          Loss, a scalar. Gradients. Predictions, [rows, classes]. All are
          float32.
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
        return loss, gradients, tf.concat(predictions, axis=0)

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
          Loss, a scalar. The gradients of each part. Predictions, [rows,
          classes].
        """
        images, targets, *noise = share
        logits, gradients = self._supernet.differentiate(
            images, weights, *noise
        )
        taught = None
        if lesson.labelled and self._teacher is not None:
            taught = self._teacher.targets(images)
        loss, upstream, predictions = self._loss(
            lesson.labelled, logits, targets, taught, self._guard.scale
        )
        return [loss, *gradients(upstream), predictions]

    def _loss_of(
        self,
        labelled: bool,
        logits: tf.Tensor,
        targets: tf.Tensor,
        taught: tf.Tensor | None,
        scale: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The cross-entropy, its gradient and the predictions.

        Args:
          labelled: Whether the targets are labels, to be smoothed.
          logits: Logits of a share of the batch, [rows, classes].
          targets: Share of each class, [rows, classes].
          taught: The teacher's targets, which count half. None without it.
          scale: Scale of the gradient, a scalar.

        Returns:
          Contribution to the mean loss over the global batch, a scalar. Scaled
          gradient of the logits. Predictions, [rows, classes].
        """
        with tf.GradientTape() as tape:
            tape.watch(logits)
            if labelled:
                losses = self._smoothed(targets, logits)
            else:
                losses = self._cross_entropy(targets, logits)
            if taught is not None:
                losses = (losses + self._cross_entropy(taught, logits)) / 2
            loss = tf.reduce_sum(losses) / self._recipe.batch_size
            scaled = loss * scale
        return loss, tape.gradient(scaled, logits), tf.nn.softmax(logits)


def _sum(shares: list[list[tf.Tensor]]) -> list[tf.Tensor]:
    """The sum of the shares' results."""
    return [tf.add_n(terms) for terms in zip(*shares, strict=True)]
