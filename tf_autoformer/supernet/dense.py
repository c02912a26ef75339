"""Elastic dense layer."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_autoformer.supernet import elastic, program


def dense(
    x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, gelu: bool = False
) -> tf.Tensor:
    """x·kernel + bias over the last axis, as one matrix product.

    The product is computed in the kernel's dtype, all else in float32.

    Args:
      x: [..., inputs], of the kernel's dtype.
      kernel: [inputs, units].
      bias: [units].
      gelu: Whether to take gelu(x) in place of x. The gradient then computes
        it again from x, so that only x is kept in memory.
    """
    units = tf.shape(kernel)[1]
    leading = [-1] + x.shape[1:-1].as_list()
    shape = tf.shape(x)

    @tf.custom_gradient
    def product(
        x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        flat = tf.reshape(x, [-1, tf.shape(kernel)[0]])  # [rows, inputs]
        active, kept = flat, None
        if gelu:
            active = _like(flat, tf.nn.gelu(_float32(flat)))
            if program.saves():  # Otherwise XLA computes erf apart.
                active = kept = program.save(active)
        y = tf.nn.bias_add(tf.matmul(active, kernel), bias)  # [rows, units]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            upstream = tf.reshape(upstream, [-1, units])  # [rows, units]
            d_x = tf.matmul(upstream, kernel, transpose_b=True)
            active = flat
            if gelu:
                active, slope = _gelu(_float32(flat))
                active = _like(flat, active) if kept is None else kept
                d_x = _like(d_x, _float32(d_x) * slope)
            return (
                tf.reshape(d_x, shape),
                tf.matmul(active, upstream, transpose_a=True),
                _like(bias, tf.reduce_sum(_float32(upstream), axis=0)),
            )

        return tf.reshape(y, [*leading, units]), gradient  # [..., units]

    return product(x, kernel, bias)


def _float32(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)


def _like(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.cast(y, x.dtype)


def _gelu(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """gelu(x) = x·Φ(x), and its derivative."""
    cumulative = 0.5 * tf.math.erf(x * math.sqrt(0.5)) + 0.5
    density = tf.exp(-0.5 * tf.square(x)) * (1 / math.sqrt(2 * math.pi))
    return x * cumulative, cumulative + x * density


class ElasticDense(elastic.ElasticLayer):
    """A dense layer whose inputs and units are prefixes.

    Weights: `kernel` [inputs, units], `bias` [units].

    Args:
      *args: Arguments of `ElasticLayer`.
      gelu: Whether the layer applies GELU to its inputs.
      **kwargs: Arguments of `ElasticLayer`.
    """

    def __init__(self, *args: Any, gelu: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.gelu = gelu

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, ..., inputs] -> [batch, ..., units]."""
        return dense(inputs, weights["kernel"], weights["bias"], self.gelu)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"gelu": self.gelu}
