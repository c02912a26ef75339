"""The supernet: one set of weights for every architecture of a space."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import block, dense, elastic, embedding, norm

Architecture = architecture_lib.Architecture
NetworkWeights = dict[str, elastic.Weights]


def extent_tensors(architecture: Architecture) -> extents.Extents:
    """The architecture as arguments of a graph.

    A tf.function that takes them is traced once for each depth, whatever
    else varies.

    Returns:
      Extents as int32 tensors: scalar, [depth], [depth].
    """
    return extents.Extents(
        *(tf.constant(sizes, tf.int32) for sizes in extents.of(architecture))
    )


class Supernet(tf.keras.Model):
    """A vision transformer whose every dimension is elastic.

    Pre-norm ViT (paper, supplementary material). Stem: patch embedding, class
    token, absolute position. Then the blocks. Head: norm, pooling, dense layer.
    The architecture is an argument of every call and never state.

    >>> supernet = Supernet(model, space)
    >>> logits = supernet(images, space.largest)

    Args:
      model: Fixed part of the network.
      space: Architectures to serve.
      dtype: Keras policy of all matrix products but the head's: "float32",
        "mixed_bfloat16" or "mixed_float16". Weights are always float32.

    Attributes:
      model: Fixed part of the network.
      space: Architectures to serve.
      max_depth: Number of blocks.
      stem: Elastic layers before the blocks, by name.
      blocks: Elastic blocks.
      norm: Elastic layer normalization before the pooling.
      head: Elastic dense layer that makes the logits.
    """

    def __init__(
        self,
        model: model_lib.ModelConfig,
        space: search_space.SearchSpace,
        dtype: str = "float32",
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.model = model
        self.space = space
        allocated = extents.of(space.allocated)
        self.max_depth = space.allocated.depth
        maximum = extents.sizes(
            model,
            allocated.embed_dim,
            allocated.num_heads[0],
            allocated.hidden_dim[0],
        )
        axes = extents.stem_axes(model) | extents.head_axes(model)

        def layer(kind: type, name: str, **options: Any) -> Any:
            return kind(axes[name], maximum, model.init_stddev, **options)

        self.stem = {
            "patch_embedding": layer(
                embedding.ElasticPatchEmbedding, "patch_embedding", dtype=dtype
            ),
            "class_token": layer(embedding.ElasticClassToken, "class_token"),
        }
        if model.has_absolute_position:
            self.stem["position"] = layer(embedding.ElasticPosition, "position")
        self.blocks = [
            block.ElasticBlock(model, maximum, dtype)
            for _ in range(self.max_depth)
        ]
        # The blocks differ in their weights alone: one trace serves all.
        self._block = tf.function(
            self.blocks[0].forward,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        self.norm = layer(norm.ElasticLayerNorm, "norm")
        self.head = layer(dense.ElasticDense, "head")
        for layer in (*self.stem.values(), *self.blocks, self.norm, self.head):
            layer.build()
        self.built = True

    def elastic_layers(self) -> dict[str, elastic.ElasticLayer]:
        """Layer name -> layer, with the names of `space.extents.layers`."""
        blocks = {
            extents.block_layer(index, name): layer
            for index, elastic_block in enumerate(self.blocks)
            for name, layer in elastic_block.layers.items()
        }
        return {
            **self.stem,
            **blocks,
            "norm": self.norm,
            "head": self.head,
        }

    def slices(self, subnet: extents.Extents) -> NetworkWeights:
        """The weights of a subnet: layer -> weight -> prefix.

        Args:
          subnet: Extents, as integers or as tensors. See `extent_tensors`.
        """
        if isinstance(subnet.num_heads, tf.Tensor):
            subnet = extents.Extents(
                subnet.embed_dim,
                tf.unstack(subnet.num_heads),
                tf.unstack(subnet.hidden_dim),
            )
        layers = self.elastic_layers()
        return {
            name: layers[name].slices(layer.sizes)
            for name, layer in extents.layers(self.model, subnet).items()
        }

    def operands(self, subnet: extents.Extents) -> NetworkWeights:
        """The `slices` in the dtypes in which their layers compute."""
        layers = self.elastic_layers()
        slices = self.slices(subnet)
        return {name: layers[name].cast(slices[name]) for name in slices}

    def variables_of(
        self, weights: NetworkWeights
    ) -> dict[str, dict[str, tf.Variable]]:
        """The variables of the layers in `weights`, in the same structure."""
        layers = self.elastic_layers()
        return {
            name: {weight: getattr(layers[name], weight) for weight in slices}
            for name, slices in weights.items()
        }

    def forward(
        self,
        images: tf.Tensor,
        weights: NetworkWeights,
        noise: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The logits of a subnet, from its slices alone.

        Args:
          images: float [batch, height, width, channels], normalized.
          weights: Weights of the subnet, from `operands`.
          noise: float [batch, max_depth, 2], uniform in [0, 1), for drop path
            in training; None drops nothing.

        Returns:
          Logits, float32 [batch, classes].
        """
        x = self.forward_stem(images, weights)
        keeps = self.keeps(noise)
        for index in range(self.max_depth):
            if extents.block_layer(index, "attention") not in weights:
                break  # The subnet is not as deep.
            x = self.forward_block(index, x, weights, keeps[index])
        return self.forward_head(x, weights)

    def forward_stem(
        self, images: tf.Tensor, weights: NetworkWeights
    ) -> tf.Tensor:
        """The tokens before the first block.

        Args:
          images: float [batch, height, width, channels], normalized.
          weights: Weights of the subnet, from `operands`.

        Returns:
          Tokens, float32 [batch, tokens, embed].
        """
        x = images
        for name, layer in self.stem.items():
            x = layer.forward(x, weights[name])
        return x

    def forward_block(
        self,
        index: int,
        x: tf.Tensor,
        weights: NetworkWeights,
        keep: Sequence[tf.Tensor | None] = (None, None),
    ) -> tf.Tensor:
        """The tokens behind a block.

        Subnets with the same embedding dimension and the same blocks up to
        this one have the same tokens.

        Args:
          index: Number of the block, from 0.
          x: float32 [batch, tokens, embed].
          weights: Weights of the subnet, from `operands`.
          keep: Entry of `keeps` for the block; the default drops nothing.

        Returns:
          Tokens, float32 [batch, tokens, embed].
        """
        apply = self._block
        if tf.executing_eagerly():
            apply = self._block.python_function
        block_weights = {
            name: weights[extents.block_layer(index, name)]
            for name in self.blocks[index].layers
        }
        return apply(x, block_weights, keep)

    def forward_head(self, x: tf.Tensor, weights: NetworkWeights) -> tf.Tensor:
        """The logits from the tokens behind the last block.

        Args:
          x: float32 [batch, tokens, embed].
          weights: Weights of the subnet, from `operands`.

        Returns:
          Logits, float32 [batch, classes].
        """
        x = self.norm.forward(x, weights["norm"])
        x = embedding.pool(x, self.model.pooling)  # [batch, embed]
        return self.head.forward(x, weights["head"])

    def keeps(
        self, noise: tf.Tensor | None
    ) -> list[Sequence[tf.Tensor | None]]:
        """Each block's `keep` of `block.add`, one for each residual.

        Args:
          noise: Noise for drop path. See `forward`.
        """
        if noise is None or not self.model.drop_path:
            return [(None, None)] * self.max_depth
        rates = tf.constant(self.model.drop_path_rates(self.max_depth))
        rates = rates[:, None]  # [max_depth, 1]
        keep = tf.cast(noise >= rates, noise.dtype) / (1 - rates)
        return [tf.unstack(k, axis=1) for k in tf.unstack(keep, axis=1)]

    def call(
        self,
        images: tf.Tensor,
        architecture: Architecture | extents.Extents,
        noise: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The logits of a subnet. See `forward`.

        Args:
          images: float [batch, height, width, channels], normalized.
          architecture: Architecture of the space, or its `extent_tensors`.
          noise: Noise for drop path. See `forward`.

        Raises:
          InputError: The architecture is outside the space.
        """
        if isinstance(architecture, Architecture):
            self.space.validate(architecture)
            architecture = extents.of(architecture)
        return self.forward(images, self.operands(architecture), noise)
