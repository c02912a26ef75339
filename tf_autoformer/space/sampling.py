"""Random architectures, and a seeded stream of them."""

import json
import random
from collections.abc import Callable

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import search_space

Architecture = architecture_lib.Architecture
SearchSpace = search_space.SearchSpace
Block = tuple[int, float]


def block(space: SearchSpace, rng: random.Random) -> Block:
    """Draws one block: its heads and its MLP ratio."""
    return rng.choice(space.num_heads), rng.choice(space.mlp_ratios)


def redraw_depth(
    space: SearchSpace, blocks: list[Block], rng: random.Random
) -> list[Block]:
    """Draws a depth: drops the last blocks or draws more blocks at the end."""
    depth = rng.choice(space.depths)
    new = [block(space, rng) for _ in range(depth - len(blocks))]
    return blocks[:depth] + new


def from_blocks(embed_dim: int, blocks: list[Block]) -> Architecture:
    """The architecture of the given (heads, MLP ratio) blocks."""
    return Architecture(
        embed_dim=embed_dim,
        depth=len(blocks),
        num_heads=tuple(heads for heads, _ in blocks),
        mlp_ratio=tuple(ratio for _, ratio in blocks),
    )


def blocks_of(architecture: Architecture) -> list[Block]:
    """The (heads, MLP ratio) blocks of an architecture."""
    return list(
        zip(architecture.num_heads, architecture.mlp_ratio, strict=True)
    )


def uniform(space: SearchSpace, rng: random.Random) -> Architecture:
    """Draws every dimension uniformly (Algorithm 1, line 3)."""
    embed_dim = rng.choice(space.embed_dims)
    depth = rng.choice(space.depths)
    return from_blocks(embed_dim, [block(space, rng) for _ in range(depth)])


Paths = tuple[Architecture, ...]
Rule = Callable[[SearchSpace, random.Random], Paths]


class Sampler:
    """A seeded stream of the paths that the steps train.

    Its position can be saved and restored.

    Args:
      space: Architectures to draw from.
      seed: Seed of the stream.
      rule: Function that draws the paths of one step.
    """

    def __init__(self, space: SearchSpace, seed: int, rule: Rule):
        self.space = space
        self._rng = random.Random(seed)
        self._rule = rule

    def sample(self) -> Paths:
        """Draws the next step's paths."""
        return self._rule(self.space, self._rng)

    def state(self) -> str:
        """The stream's position, as text."""
        return json.dumps(self._rng.getstate())

    def restore(self, state: str) -> None:
        """Continues from a position that `state` gave."""
        version, internal, gauss_next = json.loads(state)
        self._rng.setstate((version, tuple(internal), gauss_next))
