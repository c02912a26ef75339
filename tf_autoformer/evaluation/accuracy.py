"""Accuracy of subnets with inherited weights."""

import tensorflow as tf

from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib

_BATCH_SIZE = 512


class Forward:
    """The logits of subnets with inherited weights, on all cores.

    There is one trace for each depth and size of batch.

    Args:
      supernet: Supernet whose weights the subnets inherit.
    """

    def __init__(self, supernet: supernet_lib.Supernet):
        self._supernet = supernet
        self._shares = parallel.Parallel(
            lambda share, weights: supernet.forward(*share, weights)
        )
        self._run = tf.function(self.logits, autograph=False)

    def __call__(
        self, images: tf.Tensor, architecture: architecture_lib.Architecture
    ) -> tf.Tensor:
        """The logits [batch, classes] of normalized images."""
        return self._run(images, supernet_lib.extent_tensors(architecture))

    def logits(self, images: tf.Tensor, subnet: extents.Extents) -> tf.Tensor:
        """The same in a graph, where the extents are tensors."""
        weights = self._supernet.operands(subnet)
        return tf.concat(self._shares([images], weights), axis=0)


class Evaluator:
    """Counts how many images of a split a subnet labels correctly.

    There is one trace for each depth, and another for a smaller last batch. A
    compiled supernet gets a full last batch, or XLA would compile it apart.

    Args:
      strategy: Strategy that the supernet was created under.
      supernet: Supernet whose weights the subnets inherit.
      dataset: Data set of the images.
      split: Split of the data set.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
        dataset: datasets.Dataset,
        split: datasets.Split,
    ):
        self._strategy = strategy
        self._forward = Forward(supernet)
        self._dataset = dataset
        self._num_examples = dataset.num_examples(split)
        options = tf.data.Options()
        # Workers share the batches, of a data set that may be one file.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        batches = pipeline.evaluation(
            dataset, split, supernet.model.input_size, _BATCH_SIZE
        )
        if supernet.compiled:
            batches = batches.map(_filled)
        self._batches = strategy.experimental_distribute_dataset(
            batches.with_options(options)
        )
        self._count = tf.function(self._distributed_count, autograph=False)

    def accuracy(self, architecture: architecture_lib.Architecture) -> float:
        """The share of images labelled correctly, in [0, 1]."""
        subnet = supernet_lib.extent_tensors(architecture)
        counts = [
            self._count(images, labels, subnet)
            for images, labels in self._dataset.readable(self._batches)
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
        logits = self._forward.logits(images, subnet)
        predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        return tf.math.count_nonzero(predicted == labels)


def _filled(
    images: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A full batch. The images beyond have a label that no subnet predicts."""
    beyond = _BATCH_SIZE - tf.shape(labels)[0]
    images = tf.pad(images, [[0, beyond], [0, 0], [0, 0], [0, 0]])
    labels = tf.pad(labels, [[0, beyond]], constant_values=-1)
    return (
        tf.ensure_shape(images, [_BATCH_SIZE, *images.shape[1:]]),
        tf.ensure_shape(labels, [_BATCH_SIZE]),
    )
