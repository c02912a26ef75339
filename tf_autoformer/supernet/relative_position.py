"""2-D relative position embedding in attention, without its N×N×d tensor.

Shaw et al.'s relative position, extended to two dimensions (paper,
supplementary material). For a query patch at (row r, column c) and a key
patch at (s, t), one embedding is added to the key and one to the value:

    table_vertical[clip(s - r)] + table_horizontal[clip(t - c)]

Offsets are clipped to ±R and counted from row 1. Any pair with the class token
uses row 0 of both tables.

A query's term thus depends only on the key's row and column. `keys` computes
the products q·table for each key row and each key column. `indicators` are
one-hot rows and columns of the keys. With the products appended to q and the
indicators to k, the whole term becomes part of the one product q·kᵀ. On the
value side the indicators are appended to v. A·v then also sums the attention by
key row and column, and `values` multiplies these sums by the tables.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

Tables = Mapping[str, tf.Tensor]
Grid = tuple[int, int]


def _by_offset(table: tf.Tensor, size: int) -> tf.Tensor:
    """The embedding of each pair of positions on one axis of the grid.

    Args:
      table: [2R + 2, head_dim].
      size: Number of positions on the axis.

    Returns:
      Embeddings, [size (query), size (key), head_dim].
    """
    limit = table.shape[0] // 2 - 1
    position = np.arange(size)
    offset = position[None, :] - position[:, None]  # [query, key]
    return tf.gather(table, np.clip(offset, -limit, limit) + limit + 1)


def _class_token_row(vertical: tf.Tensor, horizontal: tf.Tensor) -> tf.Tensor:
    """The embedding of a pair with the class token: [1, head_dim]."""
    vertical, _ = tf.split(vertical, [1, vertical.shape[0] - 1])
    horizontal, _ = tf.split(horizontal, [1, horizontal.shape[0] - 1])
    return vertical + horizontal


def _multiply_columns(x: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Multiplies each column of the grid by a matrix of its own.

    Args:
      x: [batch, heads, rows, columns, inputs].
      matrices: [columns, inputs, outputs].

    Returns:
      Products, [batch, heads, rows, columns, outputs].
    """
    swapped = tf.transpose(x, [0, 1, 3, 2, 4])
    return tf.transpose(tf.matmul(swapped, matrices), [0, 1, 3, 2, 4])


def indicators(grid: Grid) -> np.ndarray:
    """The class-token flag, the row and the column of each token, one-hot.

    Returns:
      Indicators, float32 [tokens, 1 + rows + columns].
    """
    rows, columns = grid
    result = np.zeros([1 + rows * columns, 1 + rows + columns], np.float32)
    result[0, 0] = 1
    patch = np.arange(rows * columns)
    result[1 + patch, 1 + patch // columns] = 1
    result[1 + patch, 1 + rows + patch % columns] = 1
    return result


def keys(query: tf.Tensor, tables: Tables, grid: Grid) -> tf.Tensor:
    """q·(relative embedding of the keys), for each row and column of keys.

    The class token as a query has the same term for every key. The term
    cancels in softmax, so the token's rows are zero.

    Args:
      query: [batch, heads, tokens, head_dim].
      tables: `key_vertical` and `key_horizontal`, [2R + 2, head_dim].
      grid: Rows and columns of patches.

    Returns:
      Products, [batch, heads, tokens, 1 + rows + columns], to be multiplied
      by `indicators`.
    """
    rows, columns = grid
    vertical, horizontal = tables["key_vertical"], tables["key_horizontal"]
    heads, dim = tf.shape(query)[1], query.shape[3]
    _, patches = tf.split(query, [1, rows * columns], axis=2)
    patches = tf.reshape(patches, [-1, heads, rows, columns, dim])
    flag = tf.reduce_sum(
        patches * _class_token_row(vertical, horizontal),
        axis=-1,
        keepdims=True,
    )  # [batch, heads, rows, columns, 1]
    by_row = tf.matmul(
        patches, _by_offset(vertical, rows), transpose_b=True
    )  # [batch, heads, rows, columns, rows (key)]
    by_column = _multiply_columns(
        patches, tf.transpose(_by_offset(horizontal, columns), [0, 2, 1])
    )  # [batch, heads, rows, columns, columns (key)]
    width = 1 + rows + columns
    products = tf.reshape(
        tf.concat([flag, by_row, by_column], axis=-1),
        [-1, heads, rows * columns, width],
    )
    return tf.pad(products, [[0, 0], [0, 0], [1, 0], [0, 0]])


def values(sums: tf.Tensor, tables: Tables, grid: Grid) -> tf.Tensor:
    """Σ attention · (relative embedding of the values).

    Args:
      sums: Product of attention and `indicators`,
        [batch, heads, tokens, 1 + rows + columns].
      tables: `value_vertical` and `value_horizontal`, [2R + 2, head_dim].
      grid: Rows and columns of patches.

    Returns:
      Relative part of the contexts, [batch, heads, tokens, head_dim].
    """
    rows, columns = grid
    vertical, horizontal = tables["value_vertical"], tables["value_horizontal"]
    heads, dim = tf.shape(sums)[1], vertical.shape[1]
    token, patches = tf.split(sums, [1, rows * columns], axis=2)
    patches = tf.reshape(
        patches, [-1, heads, rows, columns, 1 + rows + columns]
    )
    flag, by_row, by_column = tf.split(patches, [1, rows, columns], axis=-1)
    class_row = _class_token_row(vertical, horizontal)
    patches = (
        flag * class_row
        + tf.matmul(by_row, _by_offset(vertical, rows))
        + _multiply_columns(by_column, _by_offset(horizontal, columns))
    )  # [batch, heads, rows, columns, head_dim]
    patches = tf.reshape(patches, [-1, heads, rows * columns, dim])
    # The class token's attention sums to one, all of it on row 0.
    token = tf.zeros_like(token[..., :1]) + class_row  # [batch, heads, 1, dim]
    return tf.concat([token, patches], axis=2)
