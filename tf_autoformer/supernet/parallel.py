"""A batch on the cores of a CPU: each core computes a share of it.

TensorFlow splits an operation over all cores. The operation ends when the
slowest core is done, a thousand times in a step, and its result goes to other
cores' caches. Here the batch is split instead, once, and the cores meet once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.supernet import cores, program


def use_cores() -> None:
    """Makes TensorFlow run one operation on each core if there is no GPU.

    Call it before TensorFlow has run anything.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(cores.available())


def num_shares() -> int:
    """The number of shares of a batch: one, unless `use_cores` was called."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        return 1
    return max(1, tf.config.threading.get_inter_op_parallelism_threads())


def split(batch: tf.Tensor) -> list[tf.Tensor]:
    """The shares of a tensor that has the batch on its first axis."""
    size = batch.shape[0]
    count = min(num_shares(), size or num_shares())
    if count == 1:
        return [batch]
    size = tf.shape(batch)[0]
    return tf.split(batch, [(size + share) // count for share in range(count)])


class Parallel:
    """A pure function of a batch, applied to its shares at the same time.

    Args:
      function: Function of two arguments: a sequence of tensors with the
        batch on their first axis, and anything that all shares have in common.
    """

    def __init__(self, function: Callable[[Sequence[tf.Tensor], Any], Any]):
        self._share = program.program(function)

    def __call__(self, batch: Sequence[tf.Tensor], common: Any) -> list[Any]:
        """The results of all shares, in the order of the batch."""
        shares = zip(*map(split, batch), strict=True)
        return [self._share(share, common) for share in shares]
