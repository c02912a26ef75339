"""Weight entanglement: the prefix of every weight that an architecture selects.

The supernet owns each weight at its maximum size. An architecture selects a
prefix of every axis of every weight (paper, section 3.2). This module alone
decides the prefixes: the forward pass slices by it, the optimizer updates by
it, the cost model counts by it and the exporter copies by it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib

# The elastic axes. Every other axis of a weight has one fixed size.
EMBED = "embed"
HEADS = "heads"
HIDDEN = "hidden"
QKV = "qkv"  # The one axis of a flat bias, 3·heads·head_dim long.

Axes = tuple[int | str, ...]
WeightAxes = dict[str, Axes]


class Extents(NamedTuple):
    """The sizes of the elastic axes in a subnet.

    The fields hold Python integers, or int32 tensors where a graph must serve
    every architecture of one depth without a new trace.

    Attributes:
      embed_dim: Embedding dimension, a scalar.
      num_heads: Number of heads of each block, [depth].
      hidden_dim: Hidden dimension of each block's MLP, [depth].
    """

    embed_dim: Any
    num_heads: Any
    hidden_dim: Any


def of(architecture: architecture_lib.Architecture) -> Extents:
    """The extents of an architecture, as Python integers."""
    return Extents(
        embed_dim=architecture.embed_dim,
        num_heads=architecture.num_heads,
        hidden_dim=tuple(
            architecture_lib.hidden_dim(architecture.embed_dim, ratio)
            for ratio in architecture.mlp_ratio
        ),
    )


def stem_axes(model: model_lib.ModelConfig) -> dict[str, WeightAxes]:
    """The axes of the weights before the blocks: layer -> weight -> axes."""
    patch = model.patch_size
    axes: dict[str, WeightAxes] = {
        "patch_embedding": {
            "kernel": (patch, patch, model.channels, EMBED),
            "bias": (EMBED,),
        },
        "class_token": {"embedding": (1, 1, EMBED)},
    }
    if model.has_absolute_position:
        axes["position"] = {"embedding": (1, model.num_tokens, EMBED)}
    return axes


def block_axes(model: model_lib.ModelConfig) -> dict[str, WeightAxes]:
    """The axes of one block's weights: layer -> weight -> axes."""
    dim = model.head_dim
    attention: WeightAxes = {
        "qkv_kernel": (EMBED, 3, HEADS, dim),
        "qkv_bias": (
            (QKV,) if model.qkv_bias_layout == "flat" else (3, HEADS, dim)
        ),
        "projection_kernel": (HEADS, dim, EMBED),
        "projection_bias": (EMBED,),
    }
    # One row for each offset, and row 0 for pairs with the class token.
    table = (2 * model.max_relative_offset + 2, dim)
    if model.has_relative_keys:
        attention |= dict.fromkeys(KEY_TABLES, table)
    if model.has_relative_values:
        attention |= dict.fromkeys(VALUE_TABLES, table)
    return {
        "attention_norm": {"gamma": (EMBED,), "beta": (EMBED,)},
        "attention": attention,
        "mlp_norm": {"gamma": (EMBED,), "beta": (EMBED,)},
        "mlp_expand": {"kernel": (EMBED, HIDDEN), "bias": (HIDDEN,)},
        "mlp_contract": {"kernel": (HIDDEN, EMBED), "bias": (EMBED,)},
    }


# Relative position of the keys and of the values.
KEY_TABLES = ("key_vertical", "key_horizontal")
VALUE_TABLES = ("value_vertical", "value_horizontal")


def head_axes(model: model_lib.ModelConfig) -> dict[str, WeightAxes]:
    """The axes of the weights after the blocks: layer -> weight -> axes."""
    return {
        "norm": {"gamma": (EMBED,), "beta": (EMBED,)},
        "head": {
            "kernel": (EMBED, model.num_classes),
            "bias": (model.num_classes,),
        },
    }


def block_layer(block: int, layer: str) -> str:
    """The name of a block's layer, in supernet and subnet alike."""
    return f"block_{block}.{layer}"


# The layers of a block's halves. Each half ends with a residual.
ATTENTION_HALF = ("attention_norm", "attention")
MLP_HALF = ("mlp_norm", "mlp_expand", "mlp_contract")


class Layer(NamedTuple):
    """A layer of the network.

    Attributes:
      axes: Weight -> axes.
      sizes: Elastic axis -> its size in this layer.
    """

    axes: WeightAxes
    sizes: Mapping[str, Any]

    def shape(self, weight: str) -> tuple[Any, ...]:
        """The shape of the prefix of `weight` that the subnet holds."""
        return tuple(
            self.sizes[axis] if isinstance(axis, str) else axis
            for axis in self.axes[weight]
        )


def sizes(
    model: model_lib.ModelConfig, embed_dim: Any, heads: Any, hidden_dim: Any
) -> dict[str, Any]:
    """Elastic axis -> its size in a block, an integer or int32 scalar."""
    return {
        EMBED: embed_dim,
        HEADS: heads,
        HIDDEN: hidden_dim,
        QKV: heads * (3 * model.head_dim),
    }


def layers(model: model_lib.ModelConfig, extents: Extents) -> dict[str, Layer]:
    """Every layer of a subnet, in the order of the forward pass.

    Args:
      model: Fixed part of the network.
      extents: Extents of the subnet. `num_heads` and `hidden_dim` are
        sequences, whose length is the depth.

    Returns:
      Layer name -> axes of its weights, and sizes of the elastic axes.
    """
    shared = {EMBED: extents.embed_dim}
    result = {
        name: Layer(axes, shared) for name, axes in stem_axes(model).items()
    }
    blocks = zip(extents.num_heads, extents.hidden_dim, strict=True)
    for block, (heads, hidden_dim) in enumerate(blocks):
        block_sizes = sizes(model, extents.embed_dim, heads, hidden_dim)
        for name, axes in block_axes(model).items():
            result[block_layer(block, name)] = Layer(axes, block_sizes)
    for name, axes in head_axes(model).items():
        result[name] = Layer(axes, shared)
    return result
