"""Elastic transformer block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import attention, dense, elastic, norm


def add(x: tf.Tensor, residual: tf.Tensor, keep: tf.Tensor | None) -> tf.Tensor:
    """Adds a residual with stochastic depth, which drops it for some samples.

    Args:
      x: [batch, tokens, embed].
      residual: [batch, tokens, embed].
      keep: Factor of each sample's residual, [batch]: 0 or 1 / (1 - rate).
        None drops nothing.
    """

    def kept(y: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        if keep is not None:
            y = tf.cast(y, keep.dtype) * keep[:, None, None]
        return tf.cast(y, dtype)

    # TensorFlow's own gradient would keep both terms, for their shapes.
    @tf.custom_gradient
    def total(
        x: tf.Tensor, residual: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return upstream, kept(upstream, residual.dtype)

        return x + kept(residual, x.dtype), gradient

    return total(x, residual)


class ElasticBlock(tf.keras.layers.Layer):
    """A pre-norm transformer block of elastic layers.

    Args:
      model: Fixed part of the network.
      maximum: Elastic axis -> its size in the supernet.
      dtype: Keras policy of the layers that multiply matrices. Norms and the
        sums of residuals are always float32.
      **kwargs: Arguments of the Keras layer.

    Attributes:
      layers: Elastic layers of the block, by name.
    """

    def __init__(
        self,
        model: model_lib.ModelConfig,
        maximum: Mapping[str, int],
        dtype: str = "float32",
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
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
                attention.ElasticAttention,
                "attention",
                grid=model.grid,
                dtype=dtype,
            ),
            "mlp_norm": layer(norm.ElasticLayerNorm, "mlp_norm"),
            "mlp_expand": layer(dense.ElasticDense, "mlp_expand", dtype=dtype),
            "mlp_contract": layer(
                dense.ElasticDense, "mlp_contract", gelu=True, dtype=dtype
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
        """Layer -> weight -> prefix. See `ElasticLayer.slices`."""
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
          weights: Layer -> weight -> prefix.
          keep: The `keep` of `add` for each residual.

        Returns:
          Tokens, [batch, tokens, embed].
        """

        def apply(name: str, x: tf.Tensor) -> tf.Tensor:
            layer = self.layers[name]
            return layer.forward(tf.cast(x, layer.compute_dtype), weights[name])

        x = inputs  # float32
        residual = apply("attention", apply("attention_norm", x))
        x = add(x, residual, keep[0])
        hidden = apply("mlp_expand", apply("mlp_norm", x))
        return add(x, apply("mlp_contract", hidden), keep[1])

    def call(self, inputs: tf.Tensor, sizes: Mapping[str, Any]) -> tf.Tensor:
        """`forward` with the `slices` of the given sizes."""
        weights = self.slices(sizes)
        cast = {n: self.layers[n].cast(weights[n]) for n in weights}
        return self.forward(inputs, cast)
