"""The parts of a network that are programs of their own.

They are the stem, the head and the two halves of each block. Those of a
shallower subnet come first.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib

Value = TypeVar("Value")


def grouped(
    model: model_lib.ModelConfig, by_layer: Mapping[str, Value]
) -> list[dict[str, Value]]:
    """Values of a subnet's layers, by part.

    Args:
      model: Fixed part of the network.
      by_layer: Name of a layer -> value. Other layers than a subnet's are left
        out.

    Returns:
      For each part, kind of layer -> value. The kinds are the same for all
      blocks.
    """
    result = [
        {name: by_layer[name] for name in extents.stem_axes(model)},
        {name: by_layer[name] for name in extents.head_axes(model)},
    ]
    block = 0
    while extents.block_layer(block, extents.MLP_HALF[0]) in by_layer:
        for half in (extents.ATTENTION_HALF, extents.MLP_HALF):
            layers = {kind: extents.block_layer(block, kind) for kind in half}
            result.append(
                {kind: by_layer[name] for kind, name in layers.items()}
            )
        block += 1
    return result


def sizes(architecture: architecture_lib.Architecture) -> set[tuple[Any, ...]]:
    """Kind and sizes of each part. XLA compiles programs for each.

    Args:
      architecture: Architecture of the subnet.
    """
    subnet = extents.of(architecture)
    blocks = zip(subnet.num_heads, subnet.hidden_dim, strict=True)
    return {
        (subnet.embed_dim, *part)
        for heads, hidden in blocks
        for part in (("ends",), ("heads", heads), ("hidden", hidden))
    }


def samples(
    space: search_space.SearchSpace,
) -> list[architecture_lib.Architecture]:
    """Subnets of one block that have each part in each of its sizes.

    Args:
      space: Architectures whose parts are meant.
    """
    heads, ratios = space.num_heads, space.mlp_ratios
    return [
        architecture_lib.Architecture(
            embed_dim,
            1,
            (heads[index % len(heads)],),
            (ratios[index % len(ratios)],),
        )
        for embed_dim in space.embed_dims
        for index in range(max(len(heads), len(ratios)))
    ]


def layers(
    model: model_lib.ModelConfig, subnet: extents.Extents
) -> dict[str, extents.Layer]:
    """`extents.layers`, also of extents that are tensors."""
    if isinstance(subnet.num_heads, tf.Tensor):
        subnet = extents.Extents(
            subnet.embed_dim,
            tf.unstack(subnet.num_heads),
            tf.unstack(subnet.hidden_dim),
        )
    return extents.layers(model, subnet)


def shapes(
    model: model_lib.ModelConfig, subnet: extents.Extents
) -> dict[str, dict[str, tf.Tensor]]:
    """Layer -> weight -> shape of its prefix, int32 [rank]."""
    return {
        name: {weight: tf.stack(layer.shape(weight)) for weight in layer.axes}
        for name, layer in layers(model, subnet).items()
    }
