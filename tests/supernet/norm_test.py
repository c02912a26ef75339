"""Layer normalization's own gradient."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import gradients
from tf_autoformer.supernet import norm


def _plain(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return gamma * (x - mean) / tf.sqrt(variance + 1e-5) + beta


def _arguments(*shape: int) -> list[np.ndarray]:
    rng = np.random.RandomState(0)
    x = 3 + 2 * rng.randn(*shape)
    return [x, 1 + rng.randn(shape[-1]), rng.randn(shape[-1])]


class NormalizeTest(parameterized.TestCase):
    @parameterized.parameters([(4, 3, 7)], [(5, 6)], [(2, 3, 2, 8)])
    def test_value_and_gradients_are_those_of_moments(self, shape):
        gradients.check(norm.normalize, _plain, _arguments(*shape))

    def test_gradients_with_sizes_that_the_graph_does_not_know(self):
        gradients.check(
            norm.normalize,
            _plain,
            _arguments(4, 3, 7),
            unknown=[[None, 3, None], [None], [None]],
        )

    def test_gradients_where_epsilon_is_not_negligible(self):
        x, gamma, beta = _arguments(4, 3, 7)
        gradients.check(norm.normalize, _plain, [1e-3 * x, gamma, beta])

    def test_gradients_are_those_of_finite_differences(self):
        gradients.check_numerically(norm.normalize, _arguments(2, 2, 5))


if __name__ == "__main__":
    absltest.main()
