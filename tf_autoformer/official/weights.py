"""The weights of this network as tensors of the official PyTorch code.

The official network (github.com/microsoft/Cream, folder AutoFormer) is the
same as this one. A *state* is a mapping of its tensors' names to NumPy arrays.

Linear weights are [outputs, inputs] there. Rows of the QKV weight are
interleaved: row 3·(head_dim·head + d) + c belongs to q, k or v for c = 0, 1
or 2. The QKV bias is flat, see `ModelConfig.qkv_bias_layout`.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture
State = Mapping[str, np.ndarray]

# The only head dimension of the official code.
HEAD_DIM = 64

# Layer -> weight -> official name. In a block it is the name within the block.
_STEM_AND_HEAD = {
    "patch_embedding": {
        "kernel": "patch_embed_super.proj.weight",
        "bias": "patch_embed_super.proj.bias",
    },
    "class_token": {"embedding": "cls_token"},
    "position": {"embedding": "pos_embed"},
    "norm": {"gamma": "norm.weight", "beta": "norm.bias"},
    "head": {"kernel": "head.weight", "bias": "head.bias"},
}
_BLOCK = {
    "attention_norm": {
        "gamma": "attn_layer_norm.weight",
        "beta": "attn_layer_norm.bias",
    },
    "attention": {
        "qkv_kernel": "attn.qkv.weight",
        "qkv_bias": "attn.qkv.bias",
        "projection_kernel": "attn.proj.weight",
        "projection_bias": "attn.proj.bias",
        "key_vertical": "attn.rel_pos_embed_k.embeddings_table_v",
        "key_horizontal": "attn.rel_pos_embed_k.embeddings_table_h",
        "value_vertical": "attn.rel_pos_embed_v.embeddings_table_v",
        "value_horizontal": "attn.rel_pos_embed_v.embeddings_table_h",
    },
    "mlp_norm": {
        "gamma": "ffn_layer_norm.weight",
        "beta": "ffn_layer_norm.bias",
    },
    "mlp_expand": {"kernel": "fc1.weight", "bias": "fc1.bias"},
    "mlp_contract": {"kernel": "fc2.weight", "bias": "fc2.bias"},
}


def _to_official(weight: str, array: np.ndarray) -> np.ndarray:
    """Brings our array of a weight into the official layout."""
    if weight == "qkv_kernel":  # [embed, 3, heads, head_dim]
        return array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0])
    if weight == "projection_kernel":  # [heads, head_dim, embed]
        return array.reshape(-1, array.shape[2]).T
    if weight == "kernel":  # [patch, patch, channels, embed] or [in, out]
        return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return array


def _from_official(
    weight: str, tensor: np.ndarray, shape: Sequence[int]
) -> np.ndarray:
    """Reverses `_to_official`. `shape` is that of our array."""
    if weight == "qkv_kernel":
        embed, _, heads, dim = shape
        return tensor.reshape(heads, dim, 3, embed).transpose(3, 2, 0, 1)
    if weight == "projection_kernel":
        return tensor.T.reshape(shape)
    if weight == "kernel":
        return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
    return tensor


class _Entry(NamedTuple):
    """A weight of the network: official name, our name and our shape."""

    key: str
    layer: str
    weight: str
    shape: tuple[int, ...]


def _entries(
    model: model_lib.ModelConfig, allocated: Architecture
) -> Iterator[_Entry]:
    """All weights of a supernet of this size."""
    names = dict(_STEM_AND_HEAD)
    for block in range(allocated.depth):
        for layer, keys in _BLOCK.items():
            names[extents.block_layer(block, layer)] = {
                weight: f"blocks.{block}.{key}" for weight, key in keys.items()
            }
    layers = extents.layers(model, extents.of(allocated))
    for name, layer in layers.items():
        for weight in layer.axes:
            yield _Entry(names[name][weight], name, weight, layer.shape(weight))


def shapes(
    model: model_lib.ModelConfig, allocated: Architecture
) -> dict[str, tuple[int, ...]]:
    """The shapes of a supernet's tensors in this size, by official name."""
    return {
        entry.key: _to_official(
            entry.weight, np.broadcast_to(np.float32(), entry.shape)
        ).shape
        for entry in _entries(model, allocated)
    }


def load(supernet: supernet_lib.Supernet, state: State) -> None:
    """Puts a state into a supernet of the network that `inference.infer` found.

    Args:
      supernet: Supernet whose weights are set.
      state: Mapping of official names to float32 tensors.
    """
    layers = supernet.elastic_layers()
    for entry in _entries(supernet.model, supernet.space.allocated):
        array = _from_official(entry.weight, state[entry.key], entry.shape)
        getattr(layers[entry.layer], entry.weight).assign(array)


def dump(
    supernet: supernet_lib.Supernet, num_heads: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """The official state of a supernet.

    The official code allocates as many dimensions as its heads have together.
    Weights beyond our own allocation are zero, and no subnet uses them.

    Args:
      supernet: Supernet whose weights are written.
      num_heads: Numbers of heads of the first blocks. The other blocks have
        the largest choice. Used only if `qkv_bias_layout` is "heads": the
        official code has a flat bias, which can serve one number of heads in
        each block. Subnets with these numbers then give the same logits.

    Returns:
      Mapping of official names to float32 tensors.

    Raises:
      InputError: The official code cannot compute this network.
    """
    model, own = supernet.model, supernet.space.allocated
    if model.head_dim != HEAD_DIM:
        raise errors.InputError(
            f"head_dim is {model.head_dim}; the official code knows only "
            f"{HEAD_DIM}"
        )
    if model.has_relative_keys != model.has_relative_values:
        raise errors.InputError(
            f"position is {model.position}; the official code knows relative "
            "position only for keys and values together"
        )
    if model.has_relative_keys and model.grid[0] != model.grid[1]:
        raise errors.InputError(
            f"image_size is {model.image_size}; the official code's relative "
            "position knows only squares"
        )
    heads = max(own.num_heads[0], math.ceil(own.embed_dim / HEAD_DIM))
    padded = search_space.Allocation(
        HEAD_DIM * heads, own.depth, heads, own.mlp_ratio[0]
    ).architecture
    flat = dataclasses.replace(model, qkv_bias_layout="flat")
    layers = supernet.elastic_layers()
    state = {}
    for entry in _entries(flat, padded):
        array = getattr(layers[entry.layer], entry.weight).numpy()
        if entry.weight == "qkv_bias" and model.qkv_bias_layout == "heads":
            block = int(re.search(r"\d+", entry.layer)[0])
            rest = (supernet.space.num_heads[-1],) * own.depth
            used = (*num_heads, *rest)[block]
            array = array[:, :used].reshape(-1)
        missing = np.subtract(entry.shape, array.shape)
        array = np.pad(array, [(0, more) for more in missing])
        state[entry.key] = _to_official(entry.weight, array)
    return state
