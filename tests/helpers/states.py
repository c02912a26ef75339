"""Golden checkpoints of the official code, and random ones in its layout."""

import functools
import json
import pathlib
from typing import NamedTuple

import numpy as np

from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture
Shapes = dict[str, tuple[int, ...]]
State = dict[str, np.ndarray]

_GOLDENS = pathlib.Path(__file__).parent.parent / "goldens"
NAMES = ("supernet_small_gap", "supernet_small_cls")
POSITIONS = ("none", "absolute", "relative", "both")


class Golden(NamedTuple):
    """A checkpoint and the official code's results with it.

    Attributes:
      path: Path of the .pth file.
      pooling: Pooling of the network, which the weights do not contain.
      architectures: Subnets of the checkpoint's supernet.
      params: Number of parameters of each subnet.
      images: Normalized images, [images, height, width, 3].
      logits: Logits of each subnet, [architectures, images, classes].
    """

    path: pathlib.Path
    pooling: str
    architectures: list[Architecture]
    params: list[int]
    images: np.ndarray
    logits: np.ndarray


@functools.cache
def golden(name: str) -> Golden:
    """Loads a golden checkpoint, one of `NAMES`."""
    description = json.loads((_GOLDENS / f"{name}.json").read_text())
    expected = np.load(_GOLDENS / f"{name}_expected.npz")
    entries = description["architectures"]
    fields = ("embed_dim", "depth", "num_heads", "mlp_ratio")
    return Golden(
        path=_GOLDENS / f"{name}.pth",
        pooling="average" if description["model"]["gp"] else "cls",
        architectures=[
            Architecture.from_dict({field: entry[field] for field in fields})
            for entry in entries
        ],
        params=[entry["official_params"] for entry in entries],
        images=expected["images_nchw"].transpose(0, 2, 3, 1),
        logits=expected["logits"],
    )


def shapes(
    embed_dim: int = 128,
    depth: int = 2,
    num_heads: int = 2,
    hidden_dim: int = 256,
    *,
    patch_size: int = 4,
    patches: int = 9,
    num_classes: int = 10,
    max_offset: int = 1,
    position: str = "both",
) -> Shapes:
    """Official name -> shape, for every tensor of a supernet.

    Args:
      embed_dim: Embedding dimension.
      depth: Number of blocks.
      num_heads: Heads of each block.
      hidden_dim: Hidden dimension of each MLP.
      patch_size: Side of a patch in pixels.
      patches: Number of patches of an image.
      num_classes: Width of the head.
      max_offset: Range of the relative position.
      position: Kind of position embedding, one of `POSITIONS`.
    """
    qkv_dim = 64 * num_heads
    result = {
        "patch_embed_super.proj.weight": (embed_dim, 3, patch_size, patch_size),
        "patch_embed_super.proj.bias": (embed_dim,),
        "cls_token": (1, 1, embed_dim),
        "norm.weight": (embed_dim,),
        "norm.bias": (embed_dim,),
        "head.weight": (num_classes, embed_dim),
        "head.bias": (num_classes,),
    }
    if position in ("absolute", "both"):
        result["pos_embed"] = (1, patches + 1, embed_dim)
    block = {
        "attn_layer_norm.weight": (embed_dim,),
        "attn_layer_norm.bias": (embed_dim,),
        "attn.qkv.weight": (3 * qkv_dim, embed_dim),
        "attn.qkv.bias": (3 * qkv_dim,),
        "attn.proj.weight": (embed_dim, qkv_dim),
        "attn.proj.bias": (embed_dim,),
        "ffn_layer_norm.weight": (embed_dim,),
        "ffn_layer_norm.bias": (embed_dim,),
        "fc1.weight": (hidden_dim, embed_dim),
        "fc1.bias": (hidden_dim,),
        "fc2.weight": (embed_dim, hidden_dim),
        "fc2.bias": (embed_dim,),
    }
    if position in ("relative", "both"):
        table = (2 * max_offset + 2, 64)
        block |= {
            "attn.rel_pos_embed_k.embeddings_table_v": table,
            "attn.rel_pos_embed_k.embeddings_table_h": table,
            "attn.rel_pos_embed_v.embeddings_table_v": table,
            "attn.rel_pos_embed_v.embeddings_table_h": table,
        }
    for index in range(depth):
        result |= {f"blocks.{index}.{key}": block[key] for key in block}
    return result


def random(shapes: Shapes, stddev: float = 0.1) -> State:
    """Random weights of the given shapes, with norms' weights around one.

    Args:
      shapes: Official name -> shape.
      stddev: Standard deviation of the weights.
    """
    rng = np.random.default_rng(0)
    return {
        key: np.float32(
            key.endswith("norm.weight") + stddev * rng.standard_normal(shape)
        )
        for key, shape in shapes.items()
    }
