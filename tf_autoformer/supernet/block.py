"""Elastic transformer block."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import attention, dense, elastic, norm, program


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
      alignment: See `ElasticAttention`.
      **kwargs: Arguments of the Keras layer.

    Attributes:
      layers: Elastic layers of the block, by name.
    """

    def __init__(
        self,
        model: model_lib.ModelConfig,
        maximum: Mapping[str, int],
        dtype: str = "float32",
        alignment: int = 1,
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self._alignment = alignment
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
                alignment=alignment,
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
        x = self.attend(inputs, weights, keep[0])
        return self.transform(x, weights, keep[1])

    def attend(
        self,
        x: tf.Tensor,
        weights: Mapping[str, elastic.Weights],
        keep: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The first half: norm, self-attention and their residual.

        Args:
          x: float32 [batch, tokens, embed].
          weights: Layer -> weight -> prefix, for the layers of the half.
          keep: The `keep` of `add`.

        Returns:
          Tokens, float32 [batch, tokens, embed].
        """
        normal = self._apply("attention_norm", x, weights)
        return add(x, self._apply("attention", normal, weights), keep)

    def transform(
        self,
        x: tf.Tensor,
        weights: Mapping[str, elastic.Weights],
        keep: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The second half: norm, MLP and their residual. See `attend`."""
        if self._alignment > 1:
            weights = self._aligned(weights)
        normal = self._apply("mlp_norm", x, weights)
        hidden = program.save(self._apply("mlp_expand", normal, weights))
        return add(x, self._apply("mlp_contract", hidden, weights), keep)

    def _aligned(
        self, weights: Mapping[str, elastic.Weights]
    ) -> dict[str, elastic.Weights]:
        """The second half's weights with hidden units that are always zero."""
        expand, contract = weights["mlp_expand"], weights["mlp_contract"]
        beyond = -tf.size(expand["bias"]) % self._alignment
        padded = {
            "mlp_expand": {
                "kernel": tf.pad(expand["kernel"], [[0, 0], [0, beyond]]),
                "bias": tf.pad(expand["bias"], [[0, beyond]]),
            },
            "mlp_contract": {
                "kernel": tf.pad(contract["kernel"], [[0, beyond], [0, 0]]),
                "bias": contract["bias"],
            },
        }
        return {**weights, **padded}

    def _apply(
        self, name: str, x: tf.Tensor, weights: Mapping[str, elastic.Weights]
    ) -> tf.Tensor:
        layer = self.layers[name]
        return layer.forward(tf.cast(x, layer.compute_dtype), weights[name])

    def call(self, inputs: tf.Tensor, sizes: Mapping[str, Any]) -> tf.Tensor:
        """`forward` with the `slices` of the given sizes."""
        weights = self.slices(sizes)
        cast = {n: self.layers[n].cast(weights[n]) for n in weights}
        return self.forward(inputs, cast)
