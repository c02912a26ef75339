"""Elastic layer normalization."""

from collections.abc import Callable

import tensorflow as tf

from tf_autoformer.supernet import elastic, program

EPSILON = 1e-5


@tf.custom_gradient
def normalize(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    """Layer normalization, with a gradient in few passes over memory.

    Args:
      x: [..., embed].
      gamma: [embed].
      beta: [embed].
    """
    leading = tf.range(tf.rank(x) - 1)
    mean = program.save(_mean(x))
    inverse = program.save(tf.math.rsqrt(_mean(tf.square(x - mean)) + EPSILON))

    def normal() -> tf.Tensor:
        return (x - mean) * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Computed again: x is in memory anyway.
        again = normal()
        scaled = upstream * gamma
        rest = again * _mean(scaled * again) + _mean(scaled)
        return (
            (scaled - rest) * inverse,
            tf.reduce_sum(upstream * again, leading),
            tf.reduce_sum(upstream, leading),
        )

    return normal() * gamma + beta, gradient


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, axis=-1, keepdims=True)


class ElasticLayerNorm(elastic.ElasticLayer):
    """Layer normalization over a prefix of the embedding dimension.

    Weights: `gamma` and `beta`, both [embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, ..., embed] -> the same shape."""
        return normalize(inputs, weights["gamma"], weights["beta"])
