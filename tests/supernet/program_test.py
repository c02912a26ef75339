"""Parts of a network as programs: their gradient, and what they save."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer.supernet import program


def _function(x, weights, factor):
    """sin(x·a)·b·factor, whose product is saved."""
    hidden = program.save(tf.matmul(x, weights["a"]))
    return tf.matmul(tf.sin(hidden), weights["b"]) * factor


def _arguments():
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.normal(size=[3, 4]).astype(np.float32),
        "b": rng.normal(size=[4, 2]).astype(np.float32),
    }
    x = rng.normal(size=[5, 3]).astype(np.float32)
    return tf.constant(x), tf.nest.map_structure(tf.constant, weights), 2.0


class PartTest(absltest.TestCase):
    def test_gradients_are_tensorflows(self):
        x, weights, factor = _arguments()
        upstream = tf.ones([5, 2])
        with tf.GradientTape() as tape:
            tape.watch((x, weights))
            wanted = _function(x, weights, factor)
        d_x, d_weights = tape.gradient(wanted, (x, weights), upstream)
        part = program.Part(_function, jit_compile=True)

        y, gradient = part.forward(x, weights, factor)
        found, packed = gradient(upstream)

        np.testing.assert_allclose(y, wanted, rtol=1e-5)
        np.testing.assert_allclose(part(x, weights, factor), wanted, rtol=1e-5)
        np.testing.assert_allclose(found, d_x, rtol=1e-5)
        flat = [d_weights["a"].numpy().ravel(), d_weights["b"].numpy().ravel()]
        np.testing.assert_allclose(packed, np.concatenate(flat), rtol=1e-5)

    def test_an_input_without_gradient_has_none(self):
        x, weights, factor = _arguments()
        part = program.Part(_function, True, differentiates_input=False)

        _, gradient = part.forward(x, weights, factor)

        self.assertIsNone(gradient(tf.ones([5, 2]))[0])

    def test_the_gradient_takes_what_was_saved(self):
        x, weights, factor = _arguments()
        part = program.Part(_function, jit_compile=True)
        _, saved = part._forward(x, weights, factor)
        self.assertLen(saved, 1)
        np.testing.assert_allclose(saved[0], x @ weights["a"], rtol=1e-5)

        zeros = [tf.zeros_like(saved[0])]
        upstream = tf.ones([5, 2])
        _, packed = part._backward((x, weights, factor), zeros, upstream)

        # sin(0) = 0, and cos(0) = 1.
        slope = 2 * upstream @ tf.transpose(weights["b"])
        flat = [(tf.transpose(x) @ slope).numpy().ravel(), np.zeros(8)]
        np.testing.assert_allclose(packed, np.concatenate(flat), rtol=1e-5)

    def test_nothing_is_saved_outside_a_part(self):
        x, weights, factor = _arguments()
        self.assertFalse(program.saves())
        self.assertIs(program.save(x), x)
        with self.assertRaisesRegex(ValueError, "within"):
            program.Part(_failing).forward(x, weights, factor)
        self.assertFalse(program.saves())


def _failing(*_):
    raise ValueError("within")


if __name__ == "__main__":
    absltest.main()
