"""What an architecture costs: parameters and multiply-accumulates."""

import math
from collections.abc import Mapping

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
ModelConfig = model_lib.ModelConfig


def params(model: ModelConfig, architecture: Architecture) -> int:
    """Parameters that the subnet holds, embeddings and biases included."""
    return sum(
        math.prod(layer.shape(weight))
        for layer in extents.layers(model, extents.of(architecture)).values()
        for weight in layer.axes
    )


def macs_by_part(
    model: ModelConfig, architecture: Architecture
) -> dict[str, int]:
    """Multiply-accumulates of one image's forward pass, for each part.

    Counted are the matrix products; biases, norms, softmax, GELU and
    additions are not. `relative_position` is what its two products cost as
    the paper writes them, over all pairs of tokens.

    Returns:
      Part -> MACs. `patch_embedding`, `projections` (QKV and output),
      `attention` (QKᵀ and AV), `relative_position`, `mlp`, `head`.
    """
    rows, columns = model.grid
    tokens = model.num_tokens
    layers = extents.layers(model, extents.of(architecture))

    def weights(layer: str, weight: str) -> int:
        return math.prod(layers[layer].shape(weight))

    parts = {
        "patch_embedding": rows
        * columns
        * weights("patch_embedding", "kernel"),
        "projections": 0,
        "attention": 0,
        "relative_position": 0,
        "mlp": 0,
        "head": weights("head", "kernel"),
    }
    for block in range(architecture.depth):
        attention = extents.block_layer(block, "attention")
        for kernel in ("qkv_kernel", "projection_kernel"):
            parts["projections"] += tokens * weights(attention, kernel)
        heads = architecture.num_heads[block]
        products = 2 * tokens**2 * heads * model.head_dim
        parts["attention"] += products
        if model.has_relative_position:
            parts["relative_position"] += products
        for dense in ("mlp_expand", "mlp_contract"):
            layer = extents.block_layer(block, dense)
            parts["mlp"] += tokens * weights(layer, "kernel")
    return parts


def macs(model: ModelConfig, architecture: Architecture) -> int:
    """Multiply-accumulates of one image's forward pass.

    Relative position is left out, as in the paper's FLOPs; `macs_by_part`
    has it.
    """
    parts = macs_by_part(model, architecture)
    return sum(parts.values()) - parts["relative_position"]


def costs(model: ModelConfig, architecture: Architecture) -> Mapping[str, int]:
    """Every cost that a constraint can bound, by name."""
    return {
        "params": params(model, architecture),
        "macs": macs(model, architecture),
    }
