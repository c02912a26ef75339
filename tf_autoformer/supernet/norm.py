"""Elastic layer normalization."""

import tensorflow as tf

from tf_autoformer.supernet import elastic

EPSILON = 1e-5


class ElasticLayerNorm(elastic.ElasticLayer):
    """Layer normalization over a prefix of the embedding dimension.

    Weights: `gamma` and `beta`, both [embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, ..., embed] -> the same shape."""
        mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
        # In this form, and not as (x - mean) * inverse + beta: TensorFlow
        # 2.15's graph optimizer aborts the process on the other when an
        # inference graph has dynamic shapes.
        inverse = tf.math.rsqrt(variance + EPSILON) * weights["gamma"]
        return inputs * inverse + (weights["beta"] - mean * inverse)
