"""What an architecture costs and how it looks, without weights."""

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
      architecture: to be described.
      model: the fixed part of the network.
      space: one that the architecture must be in, if any.

    Raises:
      InputError: the architecture is outside the space.
    """
    if space is not None:
        space.validate(architecture)
        if (rule := space.rule_for(architecture)) is not None:
            yield rule
    height, width = model.input_size
    parts = cost.macs_by_part(model, architecture)
    macs = cost.macs(model, architecture)
    yield (
        f"embed dim {architecture.embed_dim}, depth {architecture.depth}, "
        f"head dim {model.head_dim}; "
        f"{height}x{width} pixels in patches of {model.patch_size}, "
        f"{model.num_classes} classes"
    )
    yield f"parameters          {cost.params(model, architecture):>15,}"
    yield f"MACs                {macs:>15,}"
    for part, number in parts.items():
        if part != "relative_position":
            name = part.replace("_", " ")
            yield f"  {name:18}{number:>15,}{number / macs:>7.1%}"
    if relative := parts["relative_position"]:
        yield f"with rel. position  {macs + relative:>15,}"
    yield ""
    yield f"block  {'QKV dim':16}MLP ratio"
    blocks = zip(architecture.num_heads, architecture.mlp_ratio, strict=True)
    for block, (heads, ratio) in enumerate(blocks, start=1):
        qkv_dim = heads * model.head_dim
        yield (
            f"{block:5}  {qkv_dim:<5}{'█' * heads:11}"
            f"{ratio:<5g}{'█' * round(2 * ratio)}"
        )
