"""The network of an official supernet, inferred from its tensors."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_autoformer import errors
from tf_autoformer.official import weights
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


def infer(
    state: weights.State,
    args: Mapping[str, Any],
    pooling: model_lib.Pooling | None = None,
    image_size: model_lib.ImageSize | None = None,
) -> tuple[model_lib.ModelConfig, search_space.Allocation]:
    """Infers the network of a state.

    Args:
      state: Mapping of official names to tensors.
      args: Options of the official code, as far as they are known.
      pooling: Input of the classification head, which the weights do not
        tell. Default: that of `args`, or average pooling.
      image_size: Input size in pixels. Needed if the images are not square,
        or if there is neither an absolute position embedding nor a size in
        `args`.

    Returns:
      The fixed part of the network, and the size of the supernet.

    Raises:
      InputError: The state is not of a supernet of the official code, or
        `pooling` or `image_size` contradicts it or is missing. The message
        names the tensor, what was expected and what was found.
    """
    kernel = _shape(state, "patch_embed_super.proj.weight", 4)
    embed_dim, channels, patch, width = kernel
    if channels != 3 or patch != width:
        raise _wrong_shape(
            "patch_embed_super.proj.weight", "[embed, 3, patch, patch]", kernel
        )
    heads, rest = divmod(embed_dim, weights.HEAD_DIM)
    if rest:
        raise _wrong_shape(
            "patch_embed_super.proj.weight",
            f"[{weights.HEAD_DIM}·heads, 3, patch, patch]",
            kernel,
        )
    blocks = {key.split(".")[1] for key in state if key.startswith("blocks.")}
    depth = max(len(blocks), 1)
    hidden, _ = _shape(state, "blocks.0.fc1.weight", 2)
    num_classes, _ = _shape(state, "head.weight", 2)
    allocation = search_space.Allocation(
        embed_dim, depth, heads, _ratio(embed_dim, hidden)
    )

    has_absolute = "pos_embed" in state
    table = "blocks.0.attn.rel_pos_embed_k.embeddings_table_v"
    has_relative = table in state
    options: dict[str, Any] = {}
    if has_relative:
        rows, _ = _shape(state, table, 2)
        if rows < 4 or rows % 2:
            raise _wrong_shape(
                table, f"[2·range + 2, {weights.HEAD_DIM}]", state[table].shape
            )
        options["max_relative_offset"] = rows // 2 - 1
    drop_path = _option(args, "drop_path", (int, float))
    if drop_path is not None:
        options["drop_path"] = drop_path
    model = model_lib.ModelConfig(
        num_classes=num_classes,
        image_size=(
            _image_size(state, args, patch)
            if image_size is None
            else image_size
        ),
        patch_size=patch,
        head_dim=weights.HEAD_DIM,
        pooling=_pooling(args, pooling),
        position={
            (True, True): "both",
            (True, False): "absolute",
            (False, True): "relative",
            (False, False): "none",
        }[has_absolute, has_relative],
        qkv_bias_layout="flat",
        **options,
    )
    if _option(args, "change_qkv", bool) is False:
        raise errors.InputError(
            "args.change_qkv is False: a supernet whose QKV width is not "
            "elastic is not supported"
        )
    _check(state, model, allocation.architecture)
    return model, allocation


def _ratio(embed_dim: int, hidden: int) -> float:
    """The MLP ratio r with int(embed_dim · r) = `hidden`."""
    ratio = hidden / embed_dim
    # A quotient that was rounded down would give one unit less.
    return (
        ratio
        if int(embed_dim * ratio) == hidden
        else math.nextafter(ratio, math.inf)
    )


def _pooling(
    args: Mapping[str, Any], wanted: model_lib.Pooling | None
) -> model_lib.Pooling:
    average = _option(args, "gp", bool)
    if average is None:
        if wanted is None:
            _LOGGER.info(
                "the weights do not tell the pooling; taken to be average, "
                "the published models'; --pooling=cls names the other"
            )
        return wanted or "average"
    found: model_lib.Pooling = "average" if average else "cls"
    if wanted not in (None, found):
        raise errors.InputError(
            f"pooling is {wanted}; the checkpoint was trained with {found}, "
            f"says its args.gp"
        )
    return found


def _image_size(
    state: weights.State, args: Mapping[str, Any], patch: int
) -> model_lib.ImageSize:
    size = args.get("input_size")
    if isinstance(size, tuple) and [*map(type, size)] == [int, int]:
        return size  # The form that our own exports have.
    if "pos_embed" in state:
        tokens = _shape(state, "pos_embed", 3)[1]
        side = math.isqrt(max(tokens - 1, 0))
        if side**2 == tokens - 1:
            return side * patch
        raise errors.InputError(
            f"pos_embed has {tokens} tokens, which are no square of patches "
            "and a class token; give image_size, height first"
        )
    if not isinstance(size, int):
        raise errors.InputError(
            "without pos_embed the weights do not tell the image size; give "
            "image_size"
        )
    return size


def _option(args: Mapping[str, Any], name: str, kind: Any) -> Any:
    """An official option of the right type, or None."""
    value = args.get(name)
    return value if isinstance(value, kind) else None


def _shape(state: weights.State, key: str, rank: int) -> tuple[int, ...]:
    if key not in state:
        raise errors.InputError(
            f"it has no tensor {key}, as every supernet of the official "
            f"AutoFormer code has; it has {_sample(state)}"
        )
    shape = state[key].shape
    if len(shape) != rank or 0 in shape:
        raise _wrong_shape(key, f"{rank} axes, none of size 0", shape)
    return shape


def _sample(keys: Iterable[str]) -> str:
    """The first few of many names, for error messages."""
    names = list(keys)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "none"


def _wrong_shape(
    key: str, expected: str, found: Sequence[int]
) -> errors.InputError:
    return errors.InputError(
        f"{key} must have {expected}; it has {list(found)}"
    )


def _check(
    state: weights.State,
    model: model_lib.ModelConfig,
    allocated: Architecture,
) -> None:
    """Raises unless the state has exactly the network's tensors."""
    expected = weights.shapes(model, allocated)
    missing = [key for key in expected if key not in state]
    unknown = [key for key in state if key not in expected]
    if missing:
        instead = f"; found instead: {_sample(unknown)}" if unknown else ""
        raise errors.InputError(
            f"tensors are missing: {_sample(missing)}; expected "
            f"{missing[0]} {list(expected[missing[0]])}{instead}"
        )
    if unknown:
        raise errors.InputError(
            f"{unknown[0]} {list(state[unknown[0]].shape)} belongs to no "
            "tensor of the network; expected none of this name"
        )
    for key, tensor in state.items():
        if tensor.shape != expected[key]:
            raise _wrong_shape(key, f"{list(expected[key])}", tensor.shape)
        if not np.isfinite(tensor).all():
            raise errors.InputError(
                f"{key} must be finite; it has values that are not"
            )
