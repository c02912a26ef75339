"""Elastic dense layer."""

import tensorflow as tf

from tf_autoformer.supernet import elastic


def dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """x·kernel + bias over the last axis, as one matrix product.

    Args:
      x: [..., inputs].
      kernel: [inputs, units].
      bias: [units].
    """
    flat = tf.reshape(x, [-1, tf.shape(kernel)[0]])  # [rows, inputs]
    y = tf.nn.bias_add(tf.matmul(flat, kernel), bias)  # [rows, units]
    leading = [-1] + x.shape[1:-1].as_list()
    return tf.reshape(y, leading + [tf.shape(kernel)[1]])  # [..., units]


class ElasticDense(elastic.ElasticLayer):
    """A dense layer whose inputs and units are prefixes.

    Weights: `kernel` [inputs, units], `bias` [units].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, ..., inputs] -> [batch, ..., units]."""
        return dense(inputs, weights["kernel"], weights["bias"])
