"""The programs that evaluate the subnets of a supernet part by part."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from tf_autoformer.evaluation import trie
from tf_autoformer.space import extents
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib

# What goes from part to part: for each replica, the shares of its cores.
Shares = Sequence[Sequence[tf.Tensor]]
# The variables of a part, for each replica: kind of layer -> weight -> handle.
Handles = Sequence[Mapping[str, Mapping[str, tf.Tensor]]]


class Programs:
    """Evaluates parts of subnets, on all replicas and cores at once.

    Stem, attention, MLP and head are traced once each, for blocks of all sizes.

    Args:
      strategy: Strategy that the supernet was created under.
      supernet: Supernet whose weights the subnets inherit.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        supernet: supernet_lib.Supernet,
    ):
        self._supernet = supernet
        parts = supernet.variables_by_part()
        local = strategy.experimental_local_results
        self._devices = [each.device for each in local(supernet.head.bias)]
        count = len(self._devices)
        self._handles: list[Handles] = [
            [
                tf.nest.map_structure(lambda v, r=r: local(v)[r].handle, part)
                for r in range(count)
            ]
            for part in parts
        ]
        model = supernet.model
        size = tf.TensorSpec([], tf.int32)
        images = tf.TensorSpec([None, *model.input_size, model.channels])
        tokens = tf.TensorSpec([None, model.num_tokens, None])
        labels = tf.TensorSpec([None], tf.int64)
        shares = [[tokens] * parallel.num_shares()] * count

        def program(
            number: int, function: Callable[..., object], *inputs: object
        ) -> Callable[..., object]:
            handles = tf.nest.map_structure(
                lambda handle: tf.TensorSpec([], handle.dtype),
                self._handles[number],
            )
            signature = [handles, size, size, *inputs]
            return tf.function(function, signature, autograph=False)

        def forward(number: int) -> Callable[..., Shares]:
            return functools.partial(self._forward, number)

        self._programs = [
            program(trie.STEM, forward(trie.STEM), [[images]] * count),
            program(trie.HEAD, self._right, shares, [labels] * count),
            *(
                program(number, forward(number), shares)
                for number in (trie.HALVES, trie.HALVES + 1)
            ),
        ]

    def right(
        self,
        images: Sequence[tf.Tensor],
        labels: Sequence[tf.Tensor],
        steps: Sequence[trie.Step],
    ) -> Iterator[tuple[int, Sequence[tf.Tensor]]]:
        """Takes the steps of `trie.walk`.

        Args:
          images: Normalized images of each replica.
          labels: Labels of each replica's images.
          steps: Steps to take.

        Yields:
          The position of a subnet, and for each replica, which images it labels
          correctly, bool [batch].
        """
        stack: list[Shares] = [[[each] for each in images]]
        for part, is_last, subnet in steps:
            inputs = [stack.pop() if is_last else stack[-1]]
            if subnet is not None:
                inputs.append(labels)
            number = part.number
            if number > trie.HALVES + 1:  # Halves of later blocks.
                number = trie.HALVES + number % 2
            outputs = self._programs[number](
                self._handles[part.number], *map(_scalar, part[1:]), *inputs
            )
            del inputs  # Not kept while a later part runs.
            if subnet is None:
                stack.append(outputs)
            else:
                yield subnet, outputs

    def _forward(
        self,
        number: int,
        handles: Handles,
        embed_dim: tf.Tensor,
        size: tf.Tensor,
        shares: Shares,
    ) -> Shares:
        """The output of a part: tokens or logits."""
        sizes = extents.sizes(self._supernet.model, embed_dim, size, size)
        outputs = []
        for device, own, x in zip(self._devices, handles, shares, strict=True):
            with tf.device(device):
                inputs = parallel.split(*x) if number == trie.STEM else x
                outputs.append(
                    self._supernet.forward_part(number, inputs, own, sizes)
                )
        return outputs

    def _right(
        self,
        handles: Handles,
        embed_dim: tf.Tensor,
        size: tf.Tensor,
        shares: Shares,
        labels: Sequence[tf.Tensor],
    ) -> list[tf.Tensor]:
        """For each replica, whether the likeliest class is right."""
        logits = self._forward(trie.HEAD, handles, embed_dim, size, shares)
        right = []
        for device, each, wanted in zip(
            self._devices, logits, labels, strict=True
        ):
            with tf.device(device):
                found = tf.argmax(tf.concat(each, axis=0), axis=-1)
                right.append(found == wanted)
        return right


@functools.cache
def _scalar(size: int) -> tf.Tensor:
    return tf.constant(size)
