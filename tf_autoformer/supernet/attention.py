"""Multi-head self-attention with 2-D relative position."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents
from tf_autoformer.supernet import dense, elastic, relative_position


def self_attention(
    x: tf.Tensor, weights: elastic.Weights, grid: relative_position.Grid
) -> tf.Tensor:
    """softmax((q·kᵀ + q·rel_kᵀ)/√d)·(v + rel_v), then the projection.

    Args:
      x: [batch, tokens, embed].
      weights: `qkv_kernel` [embed, 3, heads, head_dim], `qkv_bias`
        [3, heads, head_dim] or flat [3 * heads * head_dim],
        `projection_kernel` [heads, head_dim, embed], `projection_bias`
        [embed] and, with relative position, four tables [2R + 2, head_dim].
      grid: Rows and columns of patches. tokens = rows * columns + 1.

    Returns:
      Tokens, [batch, tokens, embed].
    """
    kernel = weights["qkv_kernel"]
    heads, dim = tf.shape(kernel)[2], kernel.shape[3]
    embed, width = tf.shape(x)[2], heads * dim
    qkv = dense.dense(
        x,
        tf.reshape(kernel, [embed, 3 * width]),
        tf.reshape(weights["qkv_bias"], [3 * width]),
    )
    tables = {
        name: weights[name]
        for name in extents.RELATIVE_TABLES
        if name in weights
    }
    return dense.dense(
        _attend(qkv, tables, grid, heads, dim),
        tf.reshape(weights["projection_kernel"], [width, embed]),
        weights["projection_bias"],
    )


def _attend(
    qkv: tf.Tensor,
    tables: relative_position.Tables,
    grid: relative_position.Grid,
    heads: tf.Tensor,
    dim: int,
) -> tf.Tensor:
    """The contexts of all heads, side by side.

    The gradient keeps the attention, the context and the arguments. All else
    is cheaper to compute again.

    Args:
      qkv: Queries, keys and values, [batch, tokens, 3 * heads * head_dim].
      tables: Tables of the relative position. Empty without it.
      grid: Rows and columns of patches.
      heads: Number of heads, a scalar.
      dim: Width of a head.

    Returns:
      Contexts, [batch, tokens, heads * head_dim].
    """
    batch, tokens = tf.shape(qkv)[0], qkv.shape[1]
    indicators = relative_position.indicators(grid)
    indicators = tf.broadcast_to(
        tf.constant(indicators, qkv.dtype),
        [batch, heads, *indicators.shape],
    )

    def split(
        qkv: tf.Tensor, tables: relative_position.Tables
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Query, key and value. The query has its relative terms appended."""
        qkv = tf.reshape(qkv, [batch, tokens, 3, heads, dim])
        qkv = tf.transpose(qkv, [2, 0, 3, 1, 4])
        query, key, value = tf.unstack(qkv)  # [batch, heads, tokens, dim]
        query *= dim**-0.5
        if tables:
            terms = relative_position.keys(query, tables, grid)
            query = tf.concat([query, terms], axis=-1)
        return query, key, value

    def extended(x: tf.Tensor, *columns: tf.Tensor) -> tf.Tensor:
        """A key or value with its position appended, for relative terms."""
        return tf.concat(
            [x, *([indicators] if tables else []), *columns], axis=-1
        )

    def merge(
        context: tf.Tensor, tables: relative_position.Tables
    ) -> tf.Tensor:
        """The contexts with their relative values, side by side."""
        if tables:
            context, sums = tf.split(context, [dim, indicators.shape[3]], -1)
            context += relative_position.values(sums, tables, grid)
        context = tf.transpose(context, [0, 2, 1, 3])
        return tf.reshape(context, [batch, tokens, heads * dim])

    @tf.custom_gradient
    def attend(
        qkv: tf.Tensor, tables: relative_position.Tables
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, ...]]]:
        query, key, value = split(qkv, tables)
        attention = tf.nn.softmax(
            tf.matmul(query, extended(key), transpose_b=True)
        )  # [batch, heads, tokens (query), tokens (key)]
        context = tf.matmul(attention, extended(value))

        def gradient(upstream: tf.Tensor) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                tape.watch((context, tables))
                merged = merge(context, tables)
            d_context, d_value_tables = tape.gradient(
                merged, (context, tables), upstream
            )
            with tf.GradientTape() as tape:
                tape.watch((qkv, tables))
                query, key, value = ends = split(qkv, tables)
            # Softmax takes from dA its mean under A, which is that of
            # d_context under context: one more column of the product.
            mean = tf.reduce_sum(
                tf.cast(d_context, tf.float32) * tf.cast(context, tf.float32),
                axis=-1,
                keepdims=True,
            )
            mean = tf.cast(mean, context.dtype)
            d_attention = tf.matmul(
                tf.concat([d_context, -mean], -1),
                extended(value, tf.ones_like(mean)),
                transpose_b=True,
            )
            d_scores = attention * d_attention
            d_ends = (
                tf.matmul(d_scores, extended(key)),
                tf.matmul(d_scores, query[..., :dim], transpose_a=True),
                tf.matmul(attention, d_context[..., :dim], transpose_a=True),
            )
            d_qkv, d_key_tables = tape.gradient(ends, (qkv, tables), d_ends)
            return d_qkv, {
                name: d_value_tables[name]
                if d_key_tables[name] is None
                else d_key_tables[name]
                for name in tables
            }

        return merge(context, tables), gradient

    return attend(qkv, tables)


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class ElasticAttention(elastic.ElasticLayer):
    """Self-attention over prefixes of the embedding and of the heads.

    Weights: see `self_attention`.

    Args:
      grid: Rows and columns of patches.
      **kwargs: Arguments of `ElasticLayer`.
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
