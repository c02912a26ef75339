"""States of the official code: golden ones, and random ones by its layout."""

import functools
import json
import pathlib
from typing import NamedTuple

import numpy as np

from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture
Shapes = dict[str, tuple[int, ...]]
State = dict[str, np.ndarray]

_DATA = pathlib.Path(__file__).parent.parent / "goldens"
NAMES = ("supernet_small_gap", "supernet_small_cls")
POSITIONS = ("none", "absolute", "relative", "both")


class Golden(NamedTuple):
    """A checkpoint and what the official code computes with it.

    Attributes:
      path: of the .pth file.
      pooling: which its weights do not tell.
      architectures: subnets.
      params: of each architecture.
      images: [images, height, width, 3], normalized.
      logits: [architectures, images, classes].
    """

    path: pathlib.Path
    pooling: str
    architectures: list[Architecture]
    params: list[int]
    images: np.ndarray
    logits: np.ndarray


@functools.cache
def golden(name: str) -> Golden:
    description = json.loads((_DATA / f"{name}.json").read_text())
    expected = np.load(_DATA / f"{name}_expected.npz")
    entries = description["architectures"]
    fields = ("embed_dim", "depth", "num_heads", "mlp_ratio")
    return Golden(
        path=_DATA / f"{name}.pth",
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
    """Every tensor of a supernet."""
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
    """Weights none of which is zero, norms around one."""
    rng = np.random.default_rng(0)
    return {
        key: np.float32(
            key.endswith("norm.weight") + stddev * rng.standard_normal(shape)
        )
        for key, shape in shapes.items()
    }
