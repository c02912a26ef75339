"""Costs of an architecture: parameters, multiply-accumulates and others.

A cost is a value, a `Cost`. Constraint, candidates, report and pictures take
such values. `COSTS` are those that follow from an architecture's shapes alone.
A cost that exists only at run time, such as a latency, is handed over by the
caller.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
ModelConfig = model_lib.ModelConfig


@dataclasses.dataclass(frozen=True)
class Cost:
    """A cost of an architecture.

    >>> latency = Cost("latency", "ms", predict, "milliseconds for one image")
    >>> latency.text(3.7)
    '3.70 ms'

    Attributes:
      name: Key of the cost in constraints, in candidates.jsonl and in flags.
      unit: Unit, as it stands behind a number.
      measure: Function from the fixed part of the network and an architecture
        to a positive number, an integer if it counts. The number is the same
        each time, so that a search can be continued.
      help: Plural noun for --help and axes, as in "Largest number of …".
      source: Digest of the measurements that it is predicted from. Empty if
        it is computed. A search is continued with the same one.
      grows: Whether an architecture that is larger in some dimensions and
        smaller in none never costs less. Only then do the smallest and the
        largest architecture bound the cost.
      linear: Whether the cost is an integer, and linear in the heads and in the
        hidden units of each block, with the same coefficients in all blocks.
        These depend on the embedding dimension and the depth alone.
    """

    name: str
    unit: str
    measure: Callable[[ModelConfig, Architecture], float]
    help: str
    source: str = ""
    grows: bool = False
    linear: bool = False

    def number(self, value: float) -> str:
        """A value without its unit: "13,458" for a count, else "3.70"."""
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"

    def text(self, value: float) -> str:
        """A value with its unit: "13,458 params", "3.70 ms"."""
        return f"{self.number(value)} {self.unit}"


def params(model: ModelConfig, architecture: Architecture) -> int:
    """Number of the subnet's parameters, embeddings and biases included."""
    return sum(
        math.prod(layer.shape(weight))
        for layer in extents.layers(model, extents.of(architecture)).values()
        for weight in layer.axes
    )


def macs_by_part(
    model: ModelConfig, architecture: Architecture
) -> dict[str, int]:
    """Multiply-accumulates of one image's forward pass, for each part.

    The count covers the matrix products. It leaves out biases, norms, softmax,
    GELU and additions. `relative_position` counts its products, of keys and of
    values, as the paper writes them, over all pairs of tokens.

    Returns:
      Part -> MACs. The parts are `patch_embedding`, `projections` (QKV and
      output), `attention` (QKᵀ and AV), `relative_position`, `mlp` and `head`.
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
        product = tokens**2 * heads * model.head_dim
        parts["attention"] += 2 * product
        for has in (model.has_relative_keys, model.has_relative_values):
            parts["relative_position"] += has * product
        for dense in ("mlp_expand", "mlp_contract"):
            layer = extents.block_layer(block, dense)
            parts["mlp"] += tokens * weights(layer, "kernel")
    return parts


def macs(model: ModelConfig, architecture: Architecture) -> int:
    """Multiply-accumulates of one image's forward pass.

    Relative position is left out, as in the paper's FLOPs. `macs_by_part` has
    it.
    """
    parts = macs_by_part(model, architecture)
    return sum(parts.values()) - parts["relative_position"]


PARAMS = Cost("params", "params", params, "parameters", grows=True, linear=True)
MACS = Cost(
    "macs",
    "MACs",
    macs,
    "multiply-accumulates for one image",
    grows=True,
    linear=True,
)
COSTS = (PARAMS, MACS)


def measured(
    costs: Iterable[Cost], model: ModelConfig, architecture: Architecture
) -> dict[str, float]:
    """The values of some costs, by name."""
    return {each.name: each.measure(model, architecture) for each in costs}
