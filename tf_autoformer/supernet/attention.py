"""Multi-head self-attention with 2-D relative position."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_autoformer.space import extents
from tf_autoformer.supernet import dense, elastic, program, relative_position

# Score of a key beyond the tokens, within float16's range.
_MASKED = -3e4


def self_attention(
    x: tf.Tensor,
    weights: elastic.Weights,
    grid: relative_position.Grid,
    alignment: int = 1,
) -> tf.Tensor:
    """softmax((q·kᵀ + q·rel_kᵀ)/√d)·(v + rel_v), then the projection.

    Args:
      x: [batch, tokens, embed].
      weights: `qkv_kernel` [embed, 3, heads, head_dim], `qkv_bias`
        [3, heads, head_dim] or flat [3 * heads * head_dim],
        `projection_kernel` [heads, head_dim, embed], `projection_bias`
        [embed] and, with relative position, the tables of the keys and perhaps
        those of the values, [2R + 2, head_dim].
      grid: Rows and columns of patches. tokens = rows * columns + 1.
      alignment: Number that divides the sizes of the products. Tokens and
        columns are padded to it.

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
    key_tables, value_tables = (
        {name: weights[name] for name in names if name in weights}
        for names in (extents.KEY_TABLES, extents.VALUE_TABLES)
    )
    attention = _Attention(
        grid, bool(key_tables), bool(value_tables), heads, dim, alignment
    )
    return dense.dense(
        attention(qkv, key_tables, value_tables),
        tf.reshape(weights["projection_kernel"], [width, embed]),
        weights["projection_bias"],
    )


class _Attention:
    """The attention of all heads, with a gradient that keeps few tensors.

    Query, key and value are extended by columns. They hold the relative terms
    and the indicators (see `relative_position`), then, of query and key, a mask
    of the keys that only pad the tokens, then zeros.

    Args:
      grid: Rows and columns of patches.
      relative_keys: Whether the keys have relative position.
      relative_values: Whether the values have relative position.
      heads: Number of heads, a scalar.
      dim: Width of a head.
      alignment: See `self_attention`.
    """

    def __init__(
        self,
        grid: relative_position.Grid,
        relative_keys: bool,
        relative_values: bool,
        heads: tf.Tensor,
        dim: int,
        alignment: int,
    ):
        self._grid = grid
        self._heads, self._dim = heads, dim
        tokens = 1 + grid[0] * grid[1]
        beyond = -tokens % alignment
        indicators = relative_position.indicators(grid)

        def columns(terms: int, masks: int) -> np.ndarray:
            count = terms + masks
            count += -(dim + count) % alignment
            result = np.zeros([tokens + beyond, count], np.float32)
            result[:tokens, :terms] = indicators[:, :terms]
            return result

        terms = indicators.shape[1] * relative_keys
        self._key_columns = columns(terms, masks=int(beyond > 0))
        self._query_columns = np.zeros_like(self._key_columns)[:, terms:]
        if beyond:
            self._key_columns[tokens:, terms] = _MASKED
            self._query_columns[:, 0] = 1
        self._sums = indicators.shape[1] * relative_values
        self._value_columns = columns(self._sums, masks=0)
        self._tokens, self._beyond = tokens, beyond

    def __call__(
        self,
        qkv: tf.Tensor,
        key_tables: relative_position.Tables,
        value_tables: relative_position.Tables,
    ) -> tf.Tensor:
        """The contexts of all heads, side by side.

        Args:
          qkv: Queries, keys and values, [batch, tokens, 3 * heads * head_dim].
          key_tables: Tables of the keys. Empty without relative position.
          value_tables: Tables of the values. Empty without relative position.

        Returns:
          Contexts, [batch, tokens, heads * head_dim].
        """

        @tf.custom_gradient
        def attend(
            qkv: tf.Tensor,
            key_tables: relative_position.Tables,
            value_tables: relative_position.Tables,
        ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, ...]]]:
            query, key, value = (
                program.save(each) for each in self._split(qkv, key_tables)
            )  # [batch, heads, padded tokens, columns]
            # They need more memory than qkv. XLA writes them in any case.
            kept = (query, key, value) if program.saves() else None
            attention = program.save(
                tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
            )  # [batch, heads, padded tokens (query), padded tokens (key)]
            context = program.save(tf.matmul(attention, value))

            def gradient(upstream: tf.Tensor) -> tuple[Any, ...]:
                query, key, value = kept or self._split(qkv, key_tables)
                with tf.GradientTape() as tape:
                    tape.watch((context, value_tables))
                    merged = self._merge(context, value_tables)
                d_context, d_value_tables = tape.gradient(
                    merged, (context, value_tables), upstream
                )
                # Softmax takes from dA its mean under A, which is that of
                # d_context under context.
                mean = tf.reduce_sum(
                    tf.cast(d_context, tf.float32)
                    * tf.cast(context, tf.float32),
                    axis=-1,
                    keepdims=True,
                )
                d_attention = tf.matmul(d_context, value, transpose_b=True)
                d_scores = attention * (
                    d_attention - tf.cast(mean, attention.dtype)
                )
                d_query, d_key_tables = self._extension_gradient(
                    query, key_tables, tf.matmul(d_scores, key)
                )
                d_qkv = self._joined(
                    d_query * self._dim**-0.5,
                    tf.matmul(d_scores, query, transpose_a=True),
                    tf.matmul(attention, d_context, transpose_a=True),
                )
                return d_qkv, d_key_tables, d_value_tables

            return self._merge(context, value_tables), gradient

        return attend(qkv, key_tables, value_tables)

    def _split(
        self, qkv: tf.Tensor, tables: relative_position.Tables
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Query, key and value, each with its further columns."""
        qkv = tf.reshape(qkv, [-1, self._tokens, 3, self._heads, self._dim])
        qkv = tf.transpose(qkv, [2, 0, 3, 1, 4])
        query, key, value = tf.unstack(qkv)  # [batch, heads, tokens, dim]
        query = self._extended(query * self._dim**-0.5, tables)
        return (
            query,
            self._with_columns(key, self._key_columns),
            self._with_columns(value, self._value_columns),
        )

    def _extended(
        self, query: tf.Tensor, tables: relative_position.Tables
    ) -> tf.Tensor:
        """The scaled query with its relative terms."""
        if tables:
            terms = relative_position.keys(query, tables, self._grid)
            query = tf.concat([query, terms], axis=-1)
        return self._with_columns(query, self._query_columns)

    def _with_columns(self, x: tf.Tensor, columns: np.ndarray) -> tf.Tensor:
        """X with rows of zeros for the padding, and with constant columns."""
        if self._beyond:
            x = tf.pad(x, [[0, 0], [0, 0], [0, self._beyond], [0, 0]])
        if not columns.shape[1]:
            return x
        columns = tf.broadcast_to(
            tf.constant(columns, x.dtype),
            [tf.shape(x)[0], self._heads, *columns.shape],
        )
        return tf.concat([x, columns], axis=-1)

    def _extension_gradient(
        self,
        query: tf.Tensor,
        tables: relative_position.Tables,
        upstream: tf.Tensor,
    ) -> tuple[tf.Tensor, relative_position.Tables]:
        """Gradients of the scaled query and of the tables.

        Args:
          query: Query with all columns.
          tables: Tables of the keys.
          upstream: Gradient of the query with all columns.
        """
        query = self._own(query)
        with tf.GradientTape() as tape:
            tape.watch((query, tables))
            extended = self._extended(query, tables)
        return tape.gradient(extended, (query, tables), upstream)

    def _own(self, x: tf.Tensor) -> tf.Tensor:
        """The tokens' rows and the head's columns."""
        return x[:, :, : self._tokens, : self._dim]

    def _joined(
        self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
    ) -> tf.Tensor:
        """The inverse of splitting: [batch, tokens, 3 * heads * dim]."""
        qkv = tf.stack([query, self._own(key), self._own(value)])
        qkv = tf.transpose(qkv, [1, 3, 0, 2, 4])
        return tf.reshape(qkv, [-1, self._tokens, 3 * self._heads * self._dim])

    def _merge(
        self, context: tf.Tensor, tables: relative_position.Tables
    ) -> tf.Tensor:
        """The contexts with their relative values, side by side."""
        if self._beyond:
            context, _ = tf.split(context, [self._tokens, self._beyond], axis=2)
        if columns := self._value_columns.shape[1]:
            context, sums, _ = tf.split(
                context,
                [self._dim, self._sums, columns - self._sums],
                axis=3,
            )
        if tables:
            context += relative_position.values(sums, tables, self._grid)
        context = tf.transpose(context, [0, 2, 1, 3])
        return tf.reshape(context, [-1, self._tokens, self._heads * self._dim])


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class ElasticAttention(elastic.ElasticLayer):
    """Self-attention over prefixes of the embedding and of the heads.

    Weights: see `self_attention`.

    Args:
      grid: Rows and columns of patches.
      alignment: Number that divides the sizes of the products. A GPU's matrix
        units need a multiple of 8.
      **kwargs: Arguments of `ElasticLayer`.
    """

    def __init__(
        self, grid: tuple[int, int], alignment: int = 1, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        self.alignment = alignment

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, tokens, embed] -> the same shape."""
        return self_attention(inputs, weights, self.grid, self.alignment)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "grid": self.grid,
            "alignment": self.alignment,
        }
