"""Description of an architecture without weights: costs and blocks."""

from collections.abc import Iterator

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, search_space
from tf_autoformer.space import model as model_lib


def lines(
    architecture: architecture_lib.Architecture,
    model: model_lib.ModelConfig,
    space: search_space.SearchSpace | None = None,
) -> Iterator[str]:
    """Costs, and QKV dimension and MLP ratio of each block as bars.

    Args:
      architecture: Architecture to describe.
      model: Fixed part of the network.
      space: Search space that the architecture must be in. None: any.

    Raises:
      InputError: The architecture is outside the space.
    """
    if space is not None:
        space.validate(architecture)
        if (rule := space.rule_for(architecture)) is not None:
            yield rule
    height, width = model.input_size
    yield (
        f"embed dim {architecture.embed_dim}, depth {architecture.depth}, "
        f"head dim {model.head_dim}; "
        f"{height}x{width} pixels in patches of {model.patch_size}, "
        f"{model.num_classes} classes"
    )
    for each in cost.COSTS:
        if each is cost.MACS:
            yield from _macs(architecture, model)
        else:
            value = each.measure(model, architecture)
            yield f"{each.help:20}{each.number(value):>15}"
    yield ""
    yield f"block  {'QKV dim':16}MLP ratio"
    blocks = zip(architecture.num_heads, architecture.mlp_ratio, strict=True)
    for block, (heads, ratio) in enumerate(blocks, start=1):
        qkv_dim = heads * model.head_dim
        yield (
            f"{block:5}  {qkv_dim:<5}{'█' * heads:11}"
            f"{ratio:<5g}{'█' * round(2 * ratio)}"
        )


def _macs(
    architecture: architecture_lib.Architecture, model: model_lib.ModelConfig
) -> Iterator[str]:
    """MACs in all and by part."""
    parts = cost.macs_by_part(model, architecture)
    total = cost.macs(model, architecture)
    yield f"{cost.MACS.unit:20}{total:>15,}"
    for part, number in parts.items():
        if part != "relative_position":
            name = part.replace("_", " ")
            yield f"  {name:18}{number:>15,}{number / total:>7.1%}"
    if relative := parts["relative_position"]:
        yield f"with rel. position  {total + relative:>15,}"
