"""Crossover and mutation of Algorithm 2."""

import random

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture


def crossover(
    first: Architecture, second: Architecture, rng: random.Random
) -> Architecture:
    """A child of two architectures (Algorithm 2, "crossover").

    Each block is one parent's block of the same layer, chosen uniformly. The
    embedding dimension is one parent's and the depth is one parent's, also
    chosen uniformly. Blocks beyond a parent's depth come from the other parent.
    """
    parents = (first, second)
    embed_dim = rng.choice(parents).embed_dim
    depth = rng.choice(parents).depth
    blocks = []
    for layer in range(depth):
        donor = rng.choice([p for p in parents if p.depth > layer])
        blocks.append(sampling.blocks_of(donor)[layer])
    return sampling.from_blocks(embed_dim, blocks)


def mutate(
    space: search_space.SearchSpace,
    parent: Architecture,
    depth_probability: float,
    layer_probability: float,
    rng: random.Random,
) -> Architecture:
    """A mutant of an architecture (Algorithm 2, "mutation").

    First the embedding dimension and the depth are drawn anew, each with the
    depth-mutation probability. A new depth drops the last blocks or draws new
    ones behind them. Then each block that the parent had is drawn anew with
    the layer-mutation probability. A draw is uniform over all choices, the
    present one included.

    Args:
      space: Choices of each dimension.
      parent: Architecture to change.
      depth_probability: Depth-mutation probability, P_d.
      layer_probability: Layer-mutation probability, P_m.
      rng: Source of randomness.
    """
    embed_dim = parent.embed_dim
    if rng.random() < depth_probability:
        embed_dim = rng.choice(space.embed_dims)
    blocks = sampling.blocks_of(parent)
    if rng.random() < depth_probability:
        blocks = sampling.redraw_depth(space, blocks, rng)
    blocks = [
        sampling.block(space, rng)
        if rng.random() < layer_probability
        else unchanged
        for unchanged in blocks
    ]
    return sampling.from_blocks(embed_dim, blocks)
