"""Accuracy of subnets with inherited weights."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import programs, trie
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib

# Number of images of a batch, over all replicas.
BATCH_SIZE = 512


class Batch(NamedTuple):
    """A batch of this process.

    Attributes:
      images: Normalized images of each replica, float32
        [images, height, width, channels].
      labels: Labels of each replica, int64 [images].
    """

    images: Sequence[tf.Tensor]
    labels: Sequence[tf.Tensor]


class Evaluator:
    """Tells which images of a split subnets label correctly.

    No subnet has a trace of its own. A compiled supernet gets a full last
    batch, or XLA would compile it apart.

    Args:
      strategy: Strategy that the supernet was created under.
      supernet: Supernet whose weights the subnets inherit.
      dataset: Data set of the images.
      split: Split of the data set.
      batch_size: Number of images of a batch, over all replicas.

    Attributes:
      num_examples: Number of images.
      batch_size: Number of images of a batch. The last may have fewer.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
        dataset: datasets.Dataset,
        split: datasets.Split,
        batch_size: int = BATCH_SIZE,
    ):
        self._strategy = strategy
        self._programs = programs.Programs(strategy, supernet)
        self._dataset = dataset
        self.num_examples = dataset.num_examples(split)
        self.batch_size = batch_size
        options = tf.data.Options()
        # Workers share the batches, of a data set that may be one file.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        batches = pipeline.evaluation(
            dataset, split, supernet.model.input_size, batch_size
        )
        # Each core of each replica gets an image.
        least = parallel.num_shares() * strategy.num_replicas_in_sync
        if supernet.compiled:
            least = batch_size
        smallest = self.num_examples % batch_size or batch_size
        if smallest < least:
            batches = batches.map(
                lambda images, labels: _filled(images, labels, least)
            )
        if supernet.compiled:
            batches = batches.map(
                lambda images, labels: (
                    tf.ensure_shape(images, [batch_size, *images.shape[1:]]),
                    tf.ensure_shape(labels, [batch_size]),
                )
            )
        self._batches = batches
        if not pipeline.need_no_copy(strategy):
            self._batches = strategy.experimental_distribute_dataset(
                batches.with_options(options)
            )
        self._sum = tf.function(self._sum_of_workers, autograph=False)

    def batches(self) -> Iterator[Batch]:
        """The split, in the same batches in each pass."""
        local = self._strategy.experimental_local_results
        for images, labels in self._dataset.readable(self._batches):
            yield Batch(list(local(images)), list(local(labels)))

    def right(
        self,
        batch: Batch,
        steps: Sequence[trie.Step],
        told: Callable[[float], None] = lambda share: None,
    ) -> dict[int, np.ndarray]:
        """Which images of a batch each subnet labels correctly.

        Args:
          batch: One of `batches`.
          steps: Steps of `trie.walk`.
          told: Function that is told the share of the subnets that is done.

        Returns:
          Position of each subnet -> bool [images], with False for images that
          only fill a batch.
        """
        found = {}
        subnets = sum(step.subnet is not None for step in steps)
        for subnet, right in self._programs.right(*batch, steps):
            found[subnet] = right
            told(len(found) / subnets)
        # In the end, as a GPU is still computing.
        return {
            subnet: np.concatenate(right) for subnet, right in found.items()
        }

    def accuracy(self, architecture: architecture_lib.Architecture) -> float:
        """The share of images labelled correctly, in [0, 1]."""
        steps = trie.walk([architecture])
        count = sum(
            np.count_nonzero(self.right(batch, steps)[0])
            for batch in self.batches()
        )
        return int(self._sum(tf.constant(count))) / self.num_examples

    def _sum_of_workers(self, count: tf.Tensor) -> tf.Tensor:
        """The sum of the counts of all processes."""
        counts = self._strategy.run(lambda: tf.identity(count))
        replicas = len(self._strategy.experimental_local_results(counts))
        return self._strategy.reduce("SUM", counts, axis=None) // replicas


def _filled(
    images: tf.Tensor, labels: tf.Tensor, least: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch of at least so many images.

    The images beyond have a label that no subnet predicts.
    """
    beyond = tf.maximum(least - tf.shape(labels)[0], 0)
    return (
        tf.pad(images, [[0, beyond], [0, 0], [0, 0], [0, 0]]),
        tf.pad(labels, [[0, beyond]], constant_values=-1),
    )
