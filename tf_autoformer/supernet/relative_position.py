"""2-D relative position embedding in attention, without its N×N×d tensor.

Shaw et al.'s relative position, extended to two dimensions (paper,
supplementary material). For a query patch at (row r, column c) and a key
patch at (s, t), an embedding is added to the key, and another to the value if
the values have any:

    table_vertical[clip(s - r)] + table_horizontal[clip(t - c)]

Offsets are clipped to ±R and counted from row 1. Any pair with the class token
uses row 0 of both tables.

A query's term thus depends only on the key's row and column. For each query
token, `_matrices` holds the embeddings of every key row and key column, so that
`keys` is one product with q. `indicators` are one-hot rows and columns of the
keys. With the products appended to q and the indicators to k, the whole term
becomes part of the one product q·kᵀ. If the values have embeddings, the
indicators are appended to v as well. A·v then also sums the attention by key
row and column, and `values` multiplies these sums by the tables.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

Tables = Mapping[str, tf.Tensor]
Grid = tuple[int, int]


def _class_token_row(vertical: tf.Tensor, horizontal: tf.Tensor) -> tf.Tensor:
    """The embedding of a pair with the class token: [1, head_dim]."""
    vertical, _ = tf.split(vertical, [1, vertical.shape[0] - 1])
    horizontal, _ = tf.split(horizontal, [1, horizontal.shape[0] - 1])
    return vertical + horizontal


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
    row = np.clip(offset, -limit, limit) + limit + 1
    # A product and not tf.gather, whose gradient is a scatter.
    chosen = tf.constant(np.eye(table.shape[0])[row.ravel()], table.dtype)
    return tf.reshape(tf.matmul(chosen, table), [size, size, table.shape[1]])


def _matrices(
    vertical: tf.Tensor, horizontal: tf.Tensor, grid: Grid
) -> tf.Tensor:
    """The embedding that each query token has for each indicator.

    The class token, which has the same for every key, has zeros.

    Args:
      vertical: [2R + 2, head_dim].
      horizontal: [2R + 2, head_dim].
      grid: Rows and columns of patches.

    Returns:
      Embeddings, [tokens, 1 + rows + columns, head_dim].
    """
    rows, columns = grid
    dim = vertical.shape[1]
    flag = _class_token_row(vertical, horizontal)
    by_row = tf.expand_dims(_by_offset(vertical, rows), 1)
    by_column = tf.expand_dims(_by_offset(horizontal, columns), 0)
    parts = [
        tf.broadcast_to(part, [rows, columns, size, dim])
        for part, size in ((flag, 1), (by_row, rows), (by_column, columns))
    ]
    patches = tf.concat(parts, axis=2)
    patches = tf.reshape(patches, [rows * columns, 1 + rows + columns, dim])
    return tf.pad(patches, [[1, 0], [0, 0], [0, 0]])


def _multiply_tokens(
    x: tf.Tensor, matrices: tf.Tensor, transpose: bool
) -> tf.Tensor:
    """Multiplies each token by a matrix of its own.

    Args:
      x: [batch, heads, tokens, inputs].
      matrices: [tokens, inputs, outputs], or with `transpose`
        [tokens, outputs, inputs].
      transpose: Whether to transpose the matrices.

    Returns:
      Products, [batch, heads, tokens, outputs].
    """
    batch, heads, tokens, _ = tf.unstack(tf.shape(x))
    x = tf.transpose(x, [2, 0, 1, 3])
    x = tf.reshape(x, [tokens, batch * heads, -1])
    y = tf.matmul(x, matrices, transpose_b=transpose)
    outputs = matrices.shape[1 if transpose else 2]
    y = tf.reshape(y, [tokens, batch, heads, outputs])
    return tf.transpose(y, [1, 2, 0, 3])


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
    matrices = _matrices(tables["key_vertical"], tables["key_horizontal"], grid)
    return _multiply_tokens(query, matrices, transpose=True)


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
    vertical, horizontal = tables["value_vertical"], tables["value_horizontal"]
    patches = _multiply_tokens(
        sums, _matrices(vertical, horizontal, grid), transpose=False
    )
    # The class token's attention sums to one, all of it on row 0.
    token = tf.one_hot([0], sums.shape[2], dtype=sums.dtype, axis=0)
    return patches + token * _class_token_row(vertical, horizontal)
