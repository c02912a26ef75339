"""Functions of a graph that are traced once and called many times."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.supernet import packing


def program(
    function: Callable[..., Any],
    jit_compile: bool = False,
    input_signature: Any = None,
) -> tf.types.experimental.GenericFunction:
    """`function` as a part of graphs that all of them share.

    Args:
      function: Pure function of tensors, or of handles that it updates.
      jit_compile: Whether XLA compiles the function, once for each combination
        of shapes and of int32 arguments that decide a shape. Otherwise
        TensorFlow runs its operations one by one, and does not inline it, so
        that a graph holds it once however often it is called.
      input_signature: Signature of its arguments, if it is to be traced once
        for arguments of every shape.
    """
    options: dict[str, Any] = {"jit_compile": True}
    if not jit_compile:
        options = {"experimental_attributes": {"_noinline": True}}
    return tf.function(function, input_signature, autograph=False, **options)


class Part:
    """A part of a network: a function, and its gradient in two programs.

    The backward program computes the function again and takes its gradient.
    What the function hands to `save` is not computed again, but comes from the
    forward program. Thus only this is kept in memory between the two. XLA
    drops whatever was computed for the saved tensors' sake.

    Args:
      function: Function of an input, weights in any nested structure and
        further tensors.
      jit_compile: Whether XLA compiles the programs.
      differentiates_input: Whether the input has a gradient.
    """

    def __init__(
        self,
        function: Callable[..., tf.Tensor],
        jit_compile: bool = False,
        differentiates_input: bool = True,
    ):
        self._function = function
        self._compiled = jit_compile
        self._differentiates_input = differentiates_input
        self._run = program(function, jit_compile)
        self._forward = program(self._forward_of, jit_compile)
        self._backward = program(self._backward_of, jit_compile)

    def __call__(self, *arguments: Any) -> tf.Tensor:
        """The function. Without a graph, only a compiled one is traced."""
        if tf.executing_eagerly() and not self._compiled:
            return self._function(*arguments)
        return self._run(*arguments)

    def forward(
        self, *arguments: Any
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, tf.Tensor]]]:
        """The function, and its gradient.

        Args:
          *arguments: Arguments of the function.

        Returns:
          The function's output, and the function that takes the gradient of
          the output. It returns the gradient of the input, or None, and the
          vector of the gradients of the weights. See `packing.pack`.
        """
        y, saved = self._forward(*arguments)
        return y, lambda upstream: self._backward(arguments, saved, upstream)

    @property
    def traces(self) -> int:
        """Number of times that a program was traced."""
        return sum(
            each.experimental_get_tracing_count()
            for each in (self._run, self._forward, self._backward)
        )

    def _forward_of(self, *arguments: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        saved: list[tf.Tensor] = []

        def keep(x: tf.Tensor) -> tf.Tensor:
            saved.append(x)
            return x

        with _saving(keep):
            y = self._function(*arguments)
        return y, saved

    def _backward_of(
        self,
        arguments: Sequence[Any],
        saved: Sequence[tf.Tensor],
        upstream: tf.Tensor,
    ) -> tuple[tf.Tensor | None, tf.Tensor]:
        x, weights, *rest = arguments
        watched = [x] if self._differentiates_input else []
        tensors = iter(saved)
        with (
            tf.GradientTape(watch_accessed_variables=False) as tape,
            _saving(lambda x: _replaced(x, next(tensors))),
        ):
            tape.watch((watched, weights))
            y = self._function(x, weights, *rest)
        d_x, d_weights = tape.gradient(y, (watched, weights), upstream)
        packed = packing.pack(tf.nest.flatten(d_weights))
        return d_x[0] if watched else None, packed


def save(x: tf.Tensor) -> tf.Tensor:
    """The tensor itself, which a `Part` saves for its gradient.

    Args:
      x: Tensor. Use the result in its place, in gradients too.
    """
    return x if _LOCAL.replace is None else _LOCAL.replace(x)


def saves() -> bool:
    """Whether `save` saves: in the two programs of a `Part`, nowhere else."""
    return _LOCAL.replace is not None


class _Local(threading.local):
    """What `save` does in this thread. Replicas are traced in threads."""

    replace: Callable[[tf.Tensor], tf.Tensor] | None = None


_LOCAL = _Local()


@contextlib.contextmanager
def _saving(replace: Callable[[tf.Tensor], tf.Tensor]) -> Iterator[None]:
    _LOCAL.replace = replace
    try:
        yield
    finally:
        _LOCAL.replace = None


def _replaced(x: tf.Tensor, saved: tf.Tensor) -> tf.Tensor:
    """`saved`, with the gradient of `x`. Nothing needs the value of `x`."""

    @tf.custom_gradient
    def replaced(
        _: tf.Tensor,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.identity(saved), lambda upstream: upstream

    return replaced(x)
