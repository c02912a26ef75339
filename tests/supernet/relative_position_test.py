"""Relative position against a loop over all pairs of tokens."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import gradients
from tf_autoformer.supernet import attention, relative_position

HEADS, DIM, EMBED, BATCH = 2, 4, 6, 2
# What has relative position.
NOTHING, KEYS, BOTH = (), ("key",), ("key", "value")
GRIDS = (
    ("without_relative_position", (3, 3), 2, NOTHING),
    ("keys_alone", (3, 4), 2, KEYS),
    ("offsets_within_the_limit", (3, 3), 2, BOTH),
    ("limit_beyond_the_grid", (2, 2), 5, BOTH),
    ("offsets_clipped", (4, 4), 1, BOTH),
    ("wide_grid", (2, 5), 2, BOTH),
    ("tall_grid", (5, 2), 2, BOTH),
    ("one_patch", (1, 1), 1, BOTH),
)


def _rows_of_tables(i: int, j: int, columns: int, limit: int):
    """Table rows (vertical, horizontal) of query token i and key token j."""
    if i == 0 or j == 0:
        return 0, 0
    row_i, column_i = divmod(i - 1, columns)
    row_j, column_j = divmod(j - 1, columns)
    vertical = min(max(row_j - row_i, -limit), limit) + limit + 1
    horizontal = min(max(column_j - column_i, -limit), limit) + limit + 1
    return vertical, horizontal


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def _brute_force(x, weights, grid, limit):
    """The attention of the paper, one pair of tokens at a time."""
    w = {name: weight.astype(np.float64) for name, weight in weights.items()}
    tokens = grid[0] * grid[1] + 1
    output = np.zeros([BATCH, tokens, EMBED])
    for b in range(BATCH):
        qkv = np.einsum("te,echd->cthd", x[b], w["qkv_kernel"])
        q, k, v = qkv + w["qkv_bias"][:, None]
        for h in range(HEADS):
            for i in range(tokens):
                logits = np.zeros(tokens)
                values = np.zeros([tokens, DIM])
                for j in range(tokens):
                    key, value = k[j, h].copy(), v[j, h].copy()
                    row, column = _rows_of_tables(i, j, grid[1], limit)
                    if "key_vertical" in w:
                        key += w["key_vertical"][row]
                        key += w["key_horizontal"][column]
                    if "value_vertical" in w:
                        value += w["value_vertical"][row]
                        value += w["value_horizontal"][column]
                    logits[j] = q[i, h] @ key / np.sqrt(DIM)
                    values[j] = value
                context = _softmax(logits) @ values
                output[b, i] += context @ w["projection_kernel"][h]
    return output + w["projection_bias"]


def _plain(x: tf.Tensor, weights, grid, limit: int) -> tf.Tensor:
    """The paper's formula with its tensors of all pairs times head_dim."""
    tokens, dim = x.shape[1], weights["qkv_kernel"].shape[3]
    rows, columns = np.moveaxis(
        [
            [_rows_of_tables(i, j, grid[1], limit) for j in range(tokens)]
            for i in range(tokens)
        ],
        2,
        0,
    )  # [tokens (query), tokens (key)]
    bias = tf.reshape(weights["qkv_bias"], [3, 1, -1, 1, dim])
    qkv = tf.einsum("bte,echd->cbhtd", x, weights["qkv_kernel"]) + bias
    query, key, value = tf.unstack(qkv)  # [batch, heads, tokens, head_dim]
    logits = tf.einsum("bhid,bhjd->bhij", query, key)
    if "key_vertical" in weights:
        keys = tf.gather(weights["key_vertical"], rows)
        keys += tf.gather(weights["key_horizontal"], columns)
        logits += tf.einsum("bhid,ijd->bhij", query, keys)
    share = tf.exp(logits / dim**0.5)
    share /= tf.reduce_sum(share, axis=-1, keepdims=True)
    context = tf.einsum("bhij,bhjd->bhid", share, value)
    if "value_vertical" in weights:
        values = tf.gather(weights["value_vertical"], rows)
        values += tf.gather(weights["value_horizontal"], columns)
        context += tf.einsum("bhij,ijd->bhid", share, values)
    projected = tf.einsum(
        "bhid,hde->bie", context, weights["projection_kernel"]
    )
    return projected + weights["projection_bias"]


def _weights(
    limit: int,
    relative: tuple[str, ...],
    rng: np.random.RandomState,
    heads: int = HEADS,
):
    shapes = {
        "qkv_kernel": (EMBED, 3, heads, DIM),
        "qkv_bias": (3, heads, DIM),
        "projection_kernel": (heads, DIM, EMBED),
        "projection_bias": (EMBED,),
    }
    for side in relative:
        for axis in ("vertical", "horizontal"):
            shapes[f"{side}_{axis}"] = (2 * limit + 2, DIM)
    return {
        name: rng.randn(*shape).astype(np.float32)
        for name, shape in shapes.items()
    }


class RelativePositionTest(parameterized.TestCase):
    @parameterized.named_parameters(*GRIDS)
    def test_attention_equals_a_loop_over_pairs(self, grid, limit, relative):
        rng = np.random.RandomState(0)
        x = rng.randn(BATCH, grid[0] * grid[1] + 1, EMBED).astype(np.float32)
        weights = _weights(limit, relative, rng)

        found = attention.self_attention(
            tf.constant(x),
            {name: tf.constant(weight) for name, weight in weights.items()},
            grid,
        )

        expected = _brute_force(x, weights, grid, limit)
        np.testing.assert_allclose(found, expected, atol=2e-5, rtol=1e-5)

    @parameterized.named_parameters(*GRIDS)
    def test_gradients_equal_those_of_the_plain_formula(
        self, grid, limit, relative
    ):
        rng = np.random.RandomState(1)
        x = rng.randn(BATCH, grid[0] * grid[1] + 1, EMBED)
        weights = _weights(limit, relative, rng, heads=3)

        gradients.check(
            lambda x, weights: attention.self_attention(x, weights, grid),
            lambda x, weights: _plain(x, weights, grid, limit),
            [x, weights],
        )

    @parameterized.product(relative=(NOTHING, KEYS, BOTH), alignment=(3, 8))
    def test_padding_changes_neither_value_nor_gradients(
        self, relative, alignment
    ):
        grid, limit, rng = (3, 4), 2, np.random.RandomState(1)
        weights = _weights(limit, relative, rng)

        gradients.check(
            lambda x, weights: attention.self_attention(
                x, weights, grid, alignment
            ),
            lambda x, weights: _plain(x, weights, grid, limit),
            [rng.randn(BATCH, 13, EMBED), weights],
        )

    @parameterized.product(
        heads=(1, 3), relative=(NOTHING, KEYS, BOTH), flat=[0, 1]
    )
    def test_gradients_with_sizes_that_the_graph_does_not_know(
        self, heads, relative, flat
    ):
        grid, limit, rng = (3, 4), 2, np.random.RandomState(1)
        x = rng.randn(BATCH, 13, EMBED)
        weights = _weights(limit, relative, rng, heads)
        shapes = {name: list(w.shape) for name, w in weights.items()} | {
            "qkv_kernel": [None, 3, None, DIM],
            "qkv_bias": [3, None, DIM],
            "projection_kernel": [None, DIM, None],
            "projection_bias": [None],
        }
        if flat:
            weights["qkv_bias"] = weights["qkv_bias"].ravel()
            shapes["qkv_bias"] = [None]

        gradients.check(
            lambda x, weights: attention.self_attention(x, weights, grid),
            lambda x, weights: _plain(x, weights, grid, limit),
            [x, weights],
            unknown=[[None, 13, None], shapes],
        )

    @parameterized.parameters(
        # 13 tokens, and 1 + 3 + 4 columns beside the 4 of a head.
        (NOTHING, 1, 4),
        (KEYS, 1, 4),
        (BOTH, 1, 4 + 8),
        # 4 divides these widths, so the values have no zeros. The mask of the
        # padded keys is not theirs.
        (NOTHING, 4, 4),
        (KEYS, 4, 4),
        (BOTH, 4, 4 + 8),
    )
    def test_values_have_no_columns_for_the_keys(
        self, relative, alignment, width
    ):
        weights = _weights(2, relative, np.random.RandomState(0))
        weights = tf.nest.map_structure(tf.constant, weights)

        @tf.function(autograph=False)
        def run(x):
            return attention.self_attention(x, weights, (3, 4), alignment)

        graph = run.get_concrete_function(tf.TensorSpec([1, 13, EMBED])).graph
        (softmax,) = (
            each for each in graph.get_operations() if each.type == "Softmax"
        )
        (product,) = softmax.outputs[0].consumers()
        self.assertEqual(product.outputs[0].shape[-1], width)

    def test_no_tensor_of_pairs_times_head_dim_is_made(self):
        grid, dim = (4, 4), 32
        tokens = 17

        def shapes(function):
            graph = tf.function(function).get_concrete_function().graph
            return [
                output.shape
                for operation in graph.get_operations()
                for output in operation.outputs
                if output.shape.rank
            ]

        rng = np.random.RandomState(0)
        tables = {
            f"{side}_{axis}": tf.constant(rng.randn(30, dim), tf.float32)
            for side in ("key", "value")
            for axis in ("vertical", "horizontal")
        }
        query = tf.zeros([1, 1, tokens, dim])
        sums = tf.zeros([1, 1, tokens, 9])

        sizes = [
            shape.num_elements() or 0
            for shape in shapes(
                lambda: (
                    relative_position.keys(query, tables, grid),
                    relative_position.values(sums, tables, grid),
                )
            )
        ]

        self.assertLess(max(sizes), tokens * tokens * dim)


if __name__ == "__main__":
    absltest.main()
