"""Architectures as vectors of indicators."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import search_space

Architecture = architecture_lib.Architecture
Floats = npt.NDArray[np.float64]

# A choice: what is chosen, the layer (0 for what the network has once), and
# the value.
Choice = tuple[str, int, float]


def choices(space: search_space.SearchSpace) -> list[Choice]:
    """All choices of a space, one for each indicator."""
    layers = range(space.depths[-1])
    return [
        *(("embed_dim", 0, value) for value in space.embed_dims),
        *(("depth", 0, value) for value in space.depths),
        *(("num_heads", i, value) for i in layers for value in space.num_heads),
        *(
            ("mlp_ratio", i, value)
            for i in layers
            for value in space.mlp_ratios
        ),
    ]


def one_hot(
    space: search_space.SearchSpace, architectures: Sequence[Architecture]
) -> Floats:
    """The indicators of some architectures.

    Args:
      space: Space of the architectures.
      architectures: Architectures to encode.

    Returns:
      float64 [architectures, choices], 1 where the architecture has the choice.
      A layer beyond its depth has none.
    """
    columns = {choice: column for column, choice in enumerate(choices(space))}
    result = np.zeros((len(architectures), len(columns)))
    for row, architecture in enumerate(architectures):
        for choice in _made(architecture):
            result[row, columns[choice]] = 1
    return result


def _made(architecture: Architecture) -> Iterator[Choice]:
    """The choices that an architecture has."""
    yield "embed_dim", 0, architecture.embed_dim
    yield "depth", 0, architecture.depth
    for layer, heads in enumerate(architecture.num_heads):
        yield "num_heads", layer, heads
    for layer, ratio in enumerate(architecture.mlp_ratio):
        yield "mlp_ratio", layer, ratio
