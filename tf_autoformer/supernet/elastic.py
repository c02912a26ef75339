"""The base of all elastic layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents

Weights = Mapping[str, tf.Tensor]


def prefix(variable: tf.Variable, shape: Sequence[Any]) -> tf.Tensor:
    """The leading box of a variable.

    Args:
      variable: Weight of maximum size.
      shape: Size of the box on each axis, an integer or int32 scalar tensor.
    """
    return tf.slice(variable, [0] * len(shape), shape)


def initializer(
    weight: str, stddev: float
) -> tf.keras.initializers.Initializer:
    """The initializer of a weight: zero, one or truncated normal.

    Args:
      weight: Name of the weight, which decides.
      stddev: Standard deviation of kernels and embeddings.
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
    place of the variables. `forward` is a pure function of inputs and slices.
    Each weight is an attribute of its name. A layer whose axes are all
    integers has one fixed size, and the standalone subnet uses it so.

    Args:
      axes: Weight -> axes, from `space.extents`.
      maximum: Elastic axis -> its size in the supernet. None if no axis is
        elastic.
      stddev: Standard deviation of the initial kernels and embeddings.
      **kwargs: Arguments of the Keras layer.
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
          sizes: Elastic axis -> its size in the subnet, an integer or int32
            scalar tensor, at most the maximum.
        """
        return self.prefixes(
            {weight: getattr(self, weight) for weight in self.axes}, sizes
        )

    def prefixes(
        self, values: Weights, sizes: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """The prefix of each weight, as a pure function.

        Args:
          values: Weights of maximum size.
          sizes: See `slices`.
        """
        layer = extents.Layer(self.axes, sizes)
        return {
            weight: prefix(value, layer.shape(weight))
            for weight, value in values.items()
        }

    def cast(self, weights: Weights) -> dict[str, tf.Tensor]:
        """The weights in the dtype in which the layer computes."""
        return {
            name: tf.cast(weight, self.compute_dtype)
            for name, weight in weights.items()
        }

    def forward(self, inputs: tf.Tensor, weights: Weights) -> tf.Tensor:
        """The layer's output from prefixes of its weights.

        Args:
          inputs: Inputs in the dtype in which the layer computes.
          weights: Prefixes in the same dtype. See `cast`.
        """
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
