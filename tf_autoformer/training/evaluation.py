"""Accuracy of subnets with inherited weights."""

import tensorflow as tf

from tf_autoformer.data import datasets, pipeline
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import supernet as supernet_lib

_BATCH_SIZE = 512


class Evaluator:
    """Counts how many images of a split a subnet labels correctly.

    The traces are one for each depth, and for a smaller last batch.

    Args:
      strategy: the supernet's.
      supernet: whose weights the subnets inherit.
      dataset: where the images come from.
      split: one of the dataset's source.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
        dataset: datasets.Dataset,
        split: str,
    ):
        self._strategy = strategy
        self._supernet = supernet
        self._num_examples = dataset.num_examples(split)
        self._batches = strategy.experimental_distribute_dataset(
            pipeline.evaluation(
                dataset, split, supernet.model.input_size, _BATCH_SIZE
            )
        )
        self._count = tf.function(self._distributed_count, autograph=False)

    def accuracy(self, architecture: architecture_lib.Architecture) -> float:
        """The share of images labelled correctly, in [0, 1]."""
        subnet = supernet_lib.extent_tensors(architecture)
        counts = [
            self._count(images, labels, subnet)
            for images, labels in self._batches
        ]
        return float(sum(int(count) for count in counts)) / self._num_examples

    def _distributed_count(
        self, images: tf.Tensor, labels: tf.Tensor, subnet: extents.Extents
    ) -> tf.Tensor:
        counts = self._strategy.run(
            self._replica_count, args=(images, labels, subnet)
        )
        return self._strategy.reduce("SUM", counts, axis=None)

    def _replica_count(
        self, images: tf.Tensor, labels: tf.Tensor, subnet: extents.Extents
    ) -> tf.Tensor:
        logits = self._supernet(images, subnet)
        predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        return tf.math.count_nonzero(predicted == labels)
