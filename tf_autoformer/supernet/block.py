"""Elastic transformer block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import attention, dense, elastic, norm


def add(
    x: tf.Tensor, residual: tf.Tensor, keep: tf.Tensor | None
) -> tf.Tensor:
    """x + residual with stochastic depth, which drops that of some samples.

    Args:
      x: [batch, tokens, embed].
      residual: [batch, tokens, embed].
      keep: [batch], by sample 0 or 1 / (1 - rate); None drops nothing.
    """

    def kept(y: tf.Tensor) -> tf.Tensor:
        return y if keep is None else y * keep[:, None, None]

    # TensorFlow's own gradient would keep both terms, for their shapes.
    @tf.custom_gradient
    def total(
        x: tf.Tensor, residual: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        return x + kept(residual), lambda upstream: (upstream, kept(upstream))

    return total(x, residual)


class ElasticBlock(tf.keras.layers.Layer):
    """A pre-norm transformer block of elastic layers.

    Args:
      model: the fixed part of the network.
      maximum: elastic axis -> its size in the supernet.
    """

    def __init__(
        self,
        model: model_lib.ModelConfig,
        maximum: Mapping[str, int],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        axes = extents.block_axes(model)

        def layer(kind: type, name: str, **options: Any) -> Any:
            return kind(
                axes=axes[name],
                maximum=maximum,
                stddev=model.init_stddev,
                **options,
            )

        self.layers = {
            "attention_norm": layer(norm.ElasticLayerNorm, "attention_norm"),
            "attention": layer(
                attention.ElasticAttention, "attention", grid=model.grid
            ),
            "mlp_norm": layer(norm.ElasticLayerNorm, "mlp_norm"),
            "mlp_expand": layer(dense.ElasticDense, "mlp_expand"),
            "mlp_contract": layer(
                dense.ElasticDense, "mlp_contract", gelu=True
            ),
        }

    def build(self, input_shape: Any = None) -> None:
        """Makes the variables, whatever the input's shape."""
        for layer in self.layers.values():
            layer.build()
        super().build(input_shape)

    def slices(
        self, sizes: Mapping[str, Any]
    ) -> dict[str, dict[str, tf.Tensor]]:
        """Layer -> weight -> prefix; see `ElasticLayer.slices`."""
        return {
            name: layer.slices(sizes) for name, layer in self.layers.items()
        }

    def forward(
        self,
        inputs: tf.Tensor,
        weights: Mapping[str, elastic.Weights],
        keep: Sequence[tf.Tensor | None] = (None, None),
    ) -> tf.Tensor:
        """The block's output from prefixes of its weights.

        Args:
          inputs: [batch, tokens, embed].
          weights: layer -> weight -> prefix.
          keep: for each residual; see `add`.

        Returns:
          [batch, tokens, embed].
        """

        def apply(name: str, x: tf.Tensor) -> tf.Tensor:
            return self.layers[name].forward(x, weights[name])

        x = inputs
        residual = apply("attention", apply("attention_norm", x))
        x = add(x, residual, keep[0])
        hidden = apply("mlp_expand", apply("mlp_norm", x))
        return add(x, apply("mlp_contract", hidden), keep[1])

    def call(self, inputs: tf.Tensor, sizes: Mapping[str, Any]) -> tf.Tensor:
        """`forward` with the `slices` of the given sizes."""
        return self.forward(inputs, self.slices(sizes))
