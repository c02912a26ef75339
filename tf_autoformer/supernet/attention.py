"""Multi-head self-attention with 2-D relative position."""

from typing import Any

import tensorflow as tf

from tf_autoformer.supernet import dense, elastic, relative_position


def self_attention(
    x: tf.Tensor, weights: elastic.Weights, grid: tuple[int, int]
) -> tf.Tensor:
    """softmax((q·kᵀ + q·rel_kᵀ)/√d)·(v + rel_v), then the projection.

    Args:
      x: [batch, tokens, embed].
      weights: `qkv_kernel` [embed, 3, heads, head_dim], `qkv_bias`
        [3, heads, head_dim] or flat [3 * heads * head_dim],
        `projection_kernel` [heads, head_dim, embed], `projection_bias`
        [embed] and, with relative position, four tables [2R + 2, head_dim].
      grid: rows and columns of patches; tokens = rows * columns + 1.

    Returns:
      [batch, tokens, embed].
    """
    kernel = weights["qkv_kernel"]
    heads, dim = tf.shape(kernel)[2], kernel.shape[3]
    embed, tokens = tf.shape(x)[2], x.shape[1]
    width = heads * dim

    qkv = dense.dense(
        x,
        tf.reshape(kernel, [embed, 3 * width]),
        tf.reshape(weights["qkv_bias"], [3 * width]),
    )  # [batch, tokens, 3 * heads * head_dim]
    qkv = tf.reshape(qkv, [-1, tokens, 3, heads, dim])
    qkv = tf.transpose(qkv, [2, 0, 3, 1, 4])
    query, key, value = tf.unstack(qkv)  # each [batch, heads, tokens, dim]
    query *= dim**-0.5

    relative = "key_vertical" in weights
    if relative:
        indicators = relative_position.indicators(grid)
        indicators = tf.broadcast_to(
            tf.constant(indicators, x.dtype),
            [tf.shape(x)[0], heads, tokens, indicators.shape[1]],
        )
        query_terms = relative_position.keys(query, weights, grid)
        query = tf.concat([query, query_terms], axis=-1)
        key = tf.concat([key, indicators], axis=-1)
        value = tf.concat([value, indicators], axis=-1)

    attention = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
    context = tf.matmul(attention, value)  # [batch, heads, tokens, dim (+ …)]
    if relative:
        context, sums = tf.split(context, [dim, indicators.shape[3]], axis=-1)
        context += relative_position.values(sums, weights, grid)

    context = tf.transpose(context, [0, 2, 1, 3])
    context = tf.reshape(context, [-1, tokens, width])
    return dense.dense(
        context,
        tf.reshape(weights["projection_kernel"], [width, embed]),
        weights["projection_bias"],
    )


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class ElasticAttention(elastic.ElasticLayer):
    """Self-attention over prefixes of the embedding and of the heads.

    Args:
      grid: rows and columns of patches.

    Weights: see `self_attention`.
    """

    def __init__(self, grid: tuple[int, int], **kwargs: Any):
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, tokens, embed] -> the same shape."""
        return self_attention(inputs, weights, self.grid)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"grid": self.grid}
