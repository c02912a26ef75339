"""Architectures to measure: those that a predictor of latencies learns from."""

import random
from collections.abc import Sequence
from typing import TypeVar

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture
_Choice = TypeVar("_Choice", int, float)


def draw(
    space: search_space.SearchSpace, count: int, seed: int
) -> list[Architecture]:
    """Draws different architectures that reach to the ends of a space.

    The blocks of an architecture that is drawn uniformly are a mix: hardly one
    has small blocks only. A search under a constraint finds such ones. So the
    smallest and the largest architecture come first, and of the others each
    second one leans to small or to large blocks.

    Args:
      space: Architectures to draw from.
      count: Number of architectures. Fewer if the space has no more.
      seed: Seed of the draws. With a larger count, the first ones are the same.
    """
    rng = random.Random(seed)
    drawn = dict.fromkeys((space.smallest, space.largest))
    while len(drawn) < min(count, space.size):
        kind = (sampling.uniform, _leaning)[len(drawn) % 2]
        drawn[kind(space, rng)] = None
    return list(drawn)[:count]


def _leaning(
    space: search_space.SearchSpace, rng: random.Random
) -> Architecture:
    """An architecture whose blocks lean to small or to large choices."""
    lean = rng.random()

    def choose(choices: Sequence[_Choice]) -> _Choice:
        rank = sum(rng.random() < lean for _ in choices[1:])
        return choices[rank]

    depth = rng.choice(space.depths)
    return sampling.from_blocks(
        rng.choice(space.embed_dims),
        [
            (choose(space.num_heads), choose(space.mlp_ratios))
            for _ in range(depth)
        ],
    )
