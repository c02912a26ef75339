"""The forward pass of a whole subnet as one program."""

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib


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
