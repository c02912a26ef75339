"""A residual with stochastic depth: its sum and its gradient."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import gradients
from tf_autoformer.supernet import block

KEEP = np.float32([0, 1.25, 0, 2])


def _plain(x: tf.Tensor, residual: tf.Tensor, keep=None) -> tf.Tensor:
    if keep is not None:
        residual *= keep[:, tf.newaxis, tf.newaxis]
    return x + residual


def _arguments() -> list[np.ndarray]:
    rng = np.random.RandomState(0)
    return [rng.randn(4, 3, 5), rng.randn(4, 3, 5)]


class AddTest(parameterized.TestCase):
    @parameterized.product(
        keep=(None, KEEP), unknown=(None, [[None, 3, None]] * 2)
    )
    def test_value_and_gradients_are_those_of_the_plain_formula(
        self, keep, unknown
    ):
        def add(function, x, residual):
            # What a sample keeps is noise, which has no gradient.
            return function(
                x, residual, None if keep is None else tf.cast(keep, x.dtype)
            )

        gradients.check(
            lambda *arguments: add(block.add, *arguments),
            lambda *arguments: add(_plain, *arguments),
            _arguments(),
            unknown,
        )

    @parameterized.parameters(False, True)
    def test_gradients_are_those_of_finite_differences(self, drops):
        keep = tf.constant(KEEP, tf.float64) if drops else None
        gradients.check_numerically(
            lambda x, residual: block.add(x, residual, keep), _arguments()
        )

    @parameterized.parameters(False, True)
    def test_a_bfloat16_residual_is_added_in_float32(self, drops):
        x = tf.constant([[[1.0]], [[1.0]]])
        # Too small to show in a sum of bfloat16.
        residual = tf.cast([[[1e-4]], [[3e-4]]], tf.bfloat16)
        keep = tf.constant([0.0, 3.0]) if drops else None
        above = tf.constant([[[1 + 1e-4]], [[5.0]]])
        with tf.GradientTape() as tape:
            tape.watch((x, residual))
            total = block.add(x, residual, keep)
        d_x, d_residual = tape.gradient(total, (x, residual), above)

        kept = [0, 3] if drops else [1, 1]
        exact = np.float32(tf.cast(residual, tf.float32)).ravel()
        self.assertEqual(total.dtype, tf.float32)
        np.testing.assert_allclose(
            tf.reshape(total, [-1]), 1 + kept * exact, rtol=1e-7
        )
        np.testing.assert_array_equal(d_x, above)
        self.assertEqual(d_residual.dtype, tf.bfloat16)
        np.testing.assert_allclose(
            tf.reshape(tf.cast(d_residual, tf.float32), [-1]),
            np.multiply(kept, [1, 5]),
            rtol=1e-2,
        )


if __name__ == "__main__":
    absltest.main()
