"""The base of all elastic layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents

Weights = Mapping[str, tf.Tensor]


def prefix(variable: tf.Variable, shape: Sequence[Any]) -> tf.Tensor:
    """The leading box of a variable.

    Args:
      variable: a weight.
      shape: the box's size on each axis, integer or int32 scalar tensor.
    """
    return tf.slice(variable, [0] * len(shape), shape)


def initializer(
    weight: str, stddev: float
) -> tf.keras.initializers.Initializer:
    """How a weight of this name starts: zero, one or truncated normal.

    Args:
      weight: its name.
      stddev: of kernels and embeddings.
    """
    kind = weight.rsplit("_", 1)[-1]
    if kind in ("bias", "beta"):
        return tf.keras.initializers.Zeros()
    if kind == "gamma":
        return tf.keras.initializers.Ones()
    return tf.keras.initializers.TruncatedNormal(stddev=stddev)


class ElasticLayer(tf.keras.layers.Layer):
    """Owns weights at their maximum size and computes with prefixes of them.

    `slices` hands out the prefixes, so that a gradient tape can watch them in
    place of the variables; `forward` is a pure function of inputs and slices.
    Each weight is an attribute of its name. With axes that are all integers
    the layer has one fixed size: so the standalone subnet uses it.

    Args:
      axes: weight -> axes, from `space.extents`.
      maximum: elastic axis -> its size in the supernet.
      stddev: of the initial kernels and embeddings.
    """

    def __init__(
        self,
        axes: extents.WeightAxes,
        maximum: Mapping[str, int] | None = None,
        stddev: float = 0.02,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.axes = {weight: tuple(sizes) for weight, sizes in axes.items()}
        self.maximum = dict(maximum or {})
        self.stddev = stddev

    def build(self, input_shape: Any = None) -> None:
        """Makes the variables, whatever the input's shape."""
        layer = extents.Layer(self.axes, self.maximum)
        for weight in self.axes:
            variable = self.add_weight(
                name=weight,
                shape=layer.shape(weight),
                initializer=initializer(weight, self.stddev),
            )
            setattr(self, weight, variable)
        super().build(input_shape)

    def slices(self, sizes: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """The prefix of each weight.

        Args:
          sizes: elastic axis -> its size in the subnet, integer or int32
            scalar tensor, at most the maximum.
        """
        layer = extents.Layer(self.axes, sizes)
        result = {}
        for weight in self.axes:
            variable = getattr(self, weight)
            result[weight] = prefix(variable, layer.shape(weight))
        return result

    def cast(self, weights: Weights) -> dict[str, tf.Tensor]:
        """The weights in the dtype in which the layer computes."""
        return {
            name: tf.cast(weight, self.compute_dtype)
            for name, weight in weights.items()
        }

    def forward(self, inputs: tf.Tensor, weights: Weights) -> tf.Tensor:
        """The layer's output from prefixes of its weights, `cast`."""
        raise NotImplementedError

    def call(
        self, inputs: tf.Tensor, sizes: Mapping[str, Any] | None = None
    ) -> tf.Tensor:
        """`forward` with the `slices` of the given sizes."""
        return self.forward(inputs, self.cast(self.slices(sizes or {})))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "axes": self.axes,
            "maximum": self.maximum,
            "stddev": self.stddev,
        }
