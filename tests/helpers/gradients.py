"""Values and gradients of a function against those of a plain formula."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def check(
    function: Callable[..., tf.Tensor],
    plain: Callable[..., tf.Tensor],
    arguments: Sequence[Any],
    unknown: Sequence[Any] | None = None,
) -> None:
    """Fails unless value and all gradients agree to 1e-5.

    Args:
      function: Function under test. It runs in float32.
      plain: The same function by TensorFlow's own operations, whose gradients
        are TensorFlow's. It runs in float64.
      arguments: Arrays, or mappings of arrays, by position.
      unknown: Shape of each argument that a graph knows. None: there is no
        graph.
    """

    def run(function: Callable[..., tf.Tensor], *arguments: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments)
            # Some gradient from above that no error can hide from.
            above = tf.random.stateless_normal(tf.shape(value), [7, 7])
            total = tf.reduce_sum(value * tf.cast(above, value.dtype))
        gradients = tape.gradient(total, arguments)
        return value, tf.nest.map_structure(tf.convert_to_tensor, gradients)

    def tensors(dtype: tf.DType) -> Any:
        return tf.nest.map_structure(lambda x: tf.constant(x, dtype), arguments)

    def tested(*arguments: Any) -> Any:
        return run(function, *arguments)

    if unknown is not None:
        tested = tf.function(
            tested,
            input_signature=[
                {name: tf.TensorSpec(s) for name, s in shape.items()}
                if isinstance(shape, dict)
                else tf.TensorSpec(shape)
                for shape in unknown
            ],
            autograph=False,
        )
    found = tested(*tensors(tf.float32))
    expected = run(plain, *tensors(tf.float64))
    tf.nest.assert_same_structure(found, expected)
    for index, (ours, theirs) in enumerate(
        zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True)
    ):
        np.testing.assert_allclose(
            ours,
            theirs,
            rtol=1e-5,
            atol=1e-5 * np.abs(theirs).max(),
            err_msg=f"gradient {index - 1}" if index else "value",
        )


def check_numerically(
    function: Callable[..., tf.Tensor], arguments: Sequence[np.ndarray]
) -> None:
    """Fails unless the gradients are those of finite differences, in float64.

    Args:
      function: Function under test.
      arguments: Small arrays, by position.
    """
    analytic, numeric = tf.test.compute_gradient(
        function, [tf.constant(x, tf.float64) for x in arguments]
    )
    for index, (ours, theirs) in enumerate(zip(analytic, numeric, strict=True)):
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5, atol=1e-6, err_msg=f"gradient {index}"
        )
