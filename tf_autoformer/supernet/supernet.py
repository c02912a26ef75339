"""The supernet: one set of weights for every architecture of a space."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import (
    block,
    compilation,
    dense,
    elastic,
    embedding,
    norm,
    packing,
    parts,
    program,
)

Architecture = architecture_lib.Architecture
NetworkWeights = dict[str, elastic.Weights]
# The matrix units take bfloat16 at full speed if this divides all sizes.
_GPU_ALIGNMENT = 8


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
      jit_compile: Whether XLA compiles the parts of the network. A program
        serves all subnets that have its part in the same sizes. None: as
        `compilation.use` has decided.
      **kwargs: Arguments of the Keras model.

    Attributes:
      model: Fixed part of the network.
      space: Architectures to serve.
      compiled: Whether XLA compiles the parts of the network.
      max_depth: Number of blocks.
      stem: Elastic layers before the blocks, by name.
      blocks: Elastic blocks.
      halves: Attention and MLP of a block, as functions that all blocks share.
      norm: Elastic layer normalization before the pooling.
      head: Elastic dense layer that makes the logits.
    """

    def __init__(
        self,
        model: model_lib.ModelConfig,
        space: search_space.SearchSpace,
        dtype: str = "float32",
        jit_compile: bool | None = None,
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.model = model
        self.space = space
        if jit_compile is None:
            jit_compile = compilation.in_use()
        self.compiled = jit_compile
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
            block.ElasticBlock(
                model, maximum, dtype, _GPU_ALIGNMENT if jit_compile else 1
            )
            for _ in range(self.max_depth)
        ]
        self.norm = layer(norm.ElasticLayerNorm, "norm")
        self.head = layer(dense.ElasticDense, "head")
        for layer in (*self.stem.values(), *self.blocks, self.norm, self.head):
            layer.build()
        # The blocks differ in their weights alone: one program serves all.
        first = self.blocks[0]
        self._cut = program.program(self._cut_part, jit_compile)
        self._stem_part = program.Part(
            self._stem_of, jit_compile, differentiates_input=False
        )
        self.halves = (
            program.Part(first.attend, jit_compile),
            program.Part(first.transform, jit_compile),
        )
        self._head_part = program.Part(self._head_of, jit_compile)
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
        layers = parts.layers(self.model, subnet)
        owners = self.elastic_layers()
        return {
            name: owners[name].slices(layer.sizes)
            for name, layer in layers.items()
        }

    def operands(self, subnet: extents.Extents) -> NetworkWeights:
        """The `slices` in the dtypes in which their layers compute.

        A gradient tape must watch them. It does not see the variables.

        Args:
          subnet: See `slices`.
        """
        layers = parts.layers(self.model, subnet)
        owners = self.elastic_layers()
        result = {}
        for part in parts.grouped(self.model, {name: name for name in layers}):
            handles, sizes = {}, {}
            for kind, name in part.items():
                axes = layers[name].axes
                handles[kind] = {
                    weight: getattr(owners[name], weight).handle
                    for weight in axes
                }
                used = set().union(*axes.values())
                sizes |= {
                    axis: tf.convert_to_tensor(size, tf.int32)
                    for axis, size in layers[name].sizes.items()
                    if axis in used
                }
            cut = self._cut
            if tf.executing_eagerly() and not self.compiled:
                cut = cut.python_function
            for kind, weights in cut(handles, sizes).items():
                result[part[kind]] = weights
        return result

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
        x = images
        for part, *arguments in self._walk(weights, noise):
            x = part(x, *arguments)
        return x

    def differentiate(
        self,
        images: tf.Tensor,
        weights: NetworkWeights,
        noise: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        """`forward`, and the gradients of the weights.

        Returns:
          Logits, and the function of their gradient that gives a vector of
          gradients for each part. See `parts.grouped`.
        """
        if not self.compiled:
            return self._recorded(images, weights, noise)
        x, steps = images, []
        for part, *arguments in self._walk(weights, noise):
            x, gradient = part.forward(x, *arguments)
            steps.append(gradient)

        def gradients(upstream: tf.Tensor) -> list[tf.Tensor]:
            packed = []
            for gradient in reversed(steps):
                upstream, vector = gradient(upstream)
                packed.append(vector)
            head, *blocks, stem = packed
            return [stem, head, *reversed(blocks)]

        return x, gradients

    def _recorded(
        self,
        images: tf.Tensor,
        weights: NetworkWeights,
        noise: tf.Tensor | None,
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        """`differentiate` by TensorFlow, which makes smaller graphs."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # The slices, not the variables: so gradients have their shapes.
            tape.watch(weights)
            logits = self.forward(images, weights, noise)

        def gradients(upstream: tf.Tensor) -> list[tf.Tensor]:
            found = tape.gradient(logits, weights, upstream)
            return [
                packing.pack(tf.nest.flatten(part))
                for part in parts.grouped(self.model, found)
            ]

        return logits, gradients

    def _walk(
        self, weights: NetworkWeights, noise: tf.Tensor | None
    ) -> Iterator[tuple[Any, ...]]:
        """Each program of the forward pass, with all but its first argument."""
        stem, head, *blocks = parts.grouped(self.model, weights)
        yield self._stem_part, stem
        keeps = itertools.chain(*self.keeps(noise))
        halves = itertools.cycle(self.halves)
        for half, part, keep in zip(blocks, halves, keeps, strict=False):
            yield part, half, keep
        yield self._head_part, head

    def variables_by_part(self) -> list[dict[str, dict[str, tf.Variable]]]:
        """Kind of layer -> weight -> variable, by part. See `parts.grouped`."""
        return parts.grouped(
            self.model,
            {
                name: {weight: getattr(layer, weight) for weight in layer.axes}
                for name, layer in self.elastic_layers().items()
            },
        )

    def forward_part(
        self,
        number: int,
        batches: Sequence[tf.Tensor],
        handles: Mapping[str, Mapping[str, tf.Tensor]],
        sizes: Mapping[str, tf.Tensor],
    ) -> list[tf.Tensor]:
        """One part of the forward pass, without drop path.

        Subnets that have the same parts up to this one have the same output.

        Args:
          number: Number of the part, as in `parts.grouped`.
          batches: Inputs of the part: images for the stem, else tokens, float32
            [batch, tokens, embed].
          handles: Handles of `variables_by_part`.
          sizes: Elastic axis -> its size in the subnet, an int32 scalar.

        Returns:
          The output for each batch: tokens or, of the head, logits.
        """
        used = {
            axis
            for kind in handles
            for axes in self._kinds[kind].axes.values()
            for axis in axes
        }
        weights = self._cut(
            handles, {axis: sizes[axis] for axis in sizes if axis in used}
        )
        if number < 2:
            part = (self._stem_part, self._head_part)[number]
            return [part(x, weights) for x in batches]
        half = self.halves[number % 2]
        return [half(x, weights, None) for x in batches]

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
        rates = rates[:, None, None]
        noise = tf.transpose(noise, [1, 2, 0])  # [max_depth, 2, batch]
        keep = tf.cast(noise >= rates, noise.dtype) / (1 - rates)
        return [tf.unstack(k) for k in tf.unstack(keep)]

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
        layers, slices = self.elastic_layers(), self.slices(architecture)
        operands = {name: layers[name].cast(slices[name]) for name in slices}
        return self.forward(images, operands, noise)

    @property
    def _kinds(self) -> dict[str, elastic.ElasticLayer]:
        """A layer of each kind. See `parts.grouped`."""
        return {
            **self.stem,
            **self.blocks[0].layers,
            "norm": self.norm,
            "head": self.head,
        }

    def _cut_part(
        self,
        handles: dict[str, dict[str, tf.Tensor]],
        sizes: Mapping[str, tf.Tensor],
    ) -> NetworkWeights:
        """The operands of a part, by kind of layer.

        Args:
          handles: Kind of layer -> weight -> handle of its variable.
          sizes: Elastic axis -> its size in the subnet, an int32 scalar.
        """
        result = {}
        for kind, weights in handles.items():
            layer = self._kinds[kind]
            values = {
                weight: tf.raw_ops.ReadVariableOp(
                    resource=handle, dtype=tf.float32
                )
                for weight, handle in weights.items()
            }
            result[kind] = layer.cast(layer.prefixes(values, sizes))
        return result

    def _stem_of(self, images: tf.Tensor, weights: NetworkWeights) -> tf.Tensor:
        x = tf.stop_gradient(images)  # Nobody asks for the images' gradient.
        for name, layer in self.stem.items():
            x = layer.forward(x, weights[name])
        # As behind the blocks: another static shape would be another trace.
        x.set_shape([images.shape[0], None, None])
        return x

    def _head_of(self, x: tf.Tensor, weights: NetworkWeights) -> tf.Tensor:
        x = self.norm.forward(x, weights["norm"])
        x = embedding.pool(x, self.model.pooling)  # [batch, embed]
        return self.head.forward(x, weights["head"])
