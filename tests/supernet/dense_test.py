"""The gradient of a product with or without GELU before it."""

import functools

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import gradients
from tf_autoformer.supernet import dense


def _plain(
    x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, gelu: bool
) -> tf.Tensor:
    if gelu:
        x = tf.nn.gelu(x)
    return tf.tensordot(x, kernel, 1) + bias


def _arguments(*leading: int) -> list[np.ndarray]:
    rng = np.random.RandomState(0)
    return [rng.randn(*leading, 6), rng.randn(6, 5), rng.randn(5)]


@parameterized.parameters(False, True)
class DenseTest(parameterized.TestCase):
    def test_value_and_gradients_are_those_of_the_plain_formula(self, gelu):
        for leading in ((3,), (3, 4), (2, 3, 4)):
            with self.subTest(str(leading)):
                gradients.check(
                    functools.partial(dense.dense, gelu=gelu),
                    functools.partial(_plain, gelu=gelu),
                    _arguments(*leading),
                )

    def test_gradients_with_sizes_that_the_graph_does_not_know(self, gelu):
        gradients.check(
            functools.partial(dense.dense, gelu=gelu),
            functools.partial(_plain, gelu=gelu),
            _arguments(3, 4),
            unknown=[[None, 4, None], [None, None], [None]],
        )

    def test_gradients_far_from_zero(self, gelu):
        x, kernel, bias = _arguments(3, 4)
        gradients.check(
            functools.partial(dense.dense, gelu=gelu),
            functools.partial(_plain, gelu=gelu),
            [10 * x, kernel, bias],
        )

    def test_bfloat16_comes_near_and_stays_bfloat16(self, gelu):
        exact = [tf.constant(x, tf.float32) for x in _arguments(3, 4)]
        rounded = [tf.cast(x, tf.bfloat16) for x in exact]
        results = []
        for arguments in (exact, rounded):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                value = dense.dense(*arguments, gelu=gelu)
                total = tf.reduce_sum(tf.square(tf.cast(value, tf.float32)))
            results.append([value, *tape.gradient(total, arguments)])

        for full, half in zip(*results, strict=True):
            self.assertEqual(half.dtype, tf.bfloat16)
            np.testing.assert_allclose(
                tf.cast(half, tf.float32), full, atol=0.03 * np.abs(full).max()
            )


class FiniteDifferencesTest(absltest.TestCase):
    def test_gradients_of_a_product_are_those_of_finite_differences(self):
        # Without GELU, which is float32 whatever its input.
        gradients.check_numerically(dense.dense, _arguments(2))


if __name__ == "__main__":
    absltest.main()
