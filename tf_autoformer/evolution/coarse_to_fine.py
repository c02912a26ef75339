"""The coarse-to-fine driver: a grid of uniform architectures, then steps."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture
_Number = TypeVar("_Number", int, float)


def search(
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
) -> Iterator[list[selection.Candidate]]:
    """Selects coarsely, then finely (BigNAS, Yu et al., 2020).

    BigNAS's are the two phases: a coarse grid over a few global dimensions, and
    then finer variations of what did best there. BigNAS searches convolutional
    networks, so all else is a choice of this project:

    - The grid has the architectures whose blocks are all alike. The first
      generation is its allowed members, or as many that are far apart (see
      `spread`) if they are more than `config.population`.
    - A later generation has the single steps (see `steps`) from the most
      accurate candidate so far, in random order, then those from the next
      one, and so on.

    See `algorithm.run` for arguments, results and errors.
    """

    def propose(
        ranking: Sequence[selection.Candidate], count: int, rng: random.Random
    ) -> dict[Architecture, str]:
        known = {candidate.architecture for candidate in ranking}
        members: dict[Architecture, str] = {}
        for candidate in ranking:
            found = steps(constraint.space, candidate.architecture)
            for step in rng.sample(found, len(found)):
                if len(members) == count:
                    return members
                if step not in known and constraint.allows(step):
                    members[step] = "fine"
        return members

    first = spread(
        constraint.space,
        grid(constraint),
        config.population,
        random.Random(config.search_seed),
    )
    return algorithm.run(
        config, constraint, evaluate, propose, dict.fromkeys(first, "coarse")
    )


def grid(constraint: constraint_lib.Constraint) -> list[Architecture]:
    """The allowed architectures whose blocks are all alike."""
    space = constraint.space
    uniform = (
        sampling.from_blocks(embed_dim, [(heads, ratio)] * depth)
        for embed_dim, depth, heads, ratio in itertools.product(
            space.embed_dims, space.depths, space.num_heads, space.mlp_ratios
        )
    )
    return [each for each in uniform if constraint.allows(each)]


def spread(
    space: search_space.SearchSpace,
    uniform: Sequence[Architecture],
    count: int,
    rng: random.Random,
) -> list[Architecture]:
    """Some members of the grid that are far apart (farthest-first traversal).

    Each next one is as far as possible from its closest earlier one. The
    distance is the sum over the four dimensions of the difference between two
    choices' numbers, as a share of the largest difference.

    Args:
      space: Space of the architectures.
      uniform: Architectures whose blocks are all alike.
      count: Number of architectures to select. All, if there are fewer.
      rng: Source of randomness, for the first one and between equals.
    """
    order = rng.sample(uniform, len(uniform))
    points = np.array([_position(space, each) for each in order])
    distances = np.full(len(order), np.inf)
    selected: list[Architecture] = []
    while len(selected) < min(count, len(order)):
        farthest = int(distances.argmax())
        selected.append(order[farthest])
        from_it = np.abs(points - points[farthest]).sum(axis=1)
        distances = np.minimum(distances, from_it)
    return selected


def _position(
    space: search_space.SearchSpace, uniform: Architecture
) -> list[float]:
    """The number of each of its choices, from 0 to 1."""
    dimensions = (
        (space.embed_dims, uniform.embed_dim),
        (space.depths, uniform.depth),
        (space.num_heads, uniform.num_heads[0]),
        (space.mlp_ratios, uniform.mlp_ratio[0]),
    )
    return [
        choices.index(value) / max(1, len(choices) - 1)
        for choices, value in dimensions
    ]


def steps(
    space: search_space.SearchSpace, start: Architecture
) -> list[Architecture]:
    """The architectures that differ in one dimension, by one choice.

    The dimension is the embedding dimension, the depth, the heads of a block
    or its MLP ratio. Less depth drops the last blocks, and more depth repeats
    the last block.

    Args:
      space: Choices of each dimension.
      start: Architecture to change.
    """
    blocks = sampling.blocks_of(start)
    stacks = [
        (blocks + blocks[-1:] * depth)[:depth]
        for depth in _beside(space.depths, start.depth)
    ]
    for layer, (heads, ratio) in enumerate(blocks):
        changed = [(each, ratio) for each in _beside(space.num_heads, heads)]
        changed += [(heads, each) for each in _beside(space.mlp_ratios, ratio)]
        for block in changed:
            stacks.append([*blocks[:layer], block, *blocks[layer + 1 :]])
    return [
        sampling.from_blocks(embed_dim, blocks)
        for embed_dim in _beside(space.embed_dims, start.embed_dim)
    ] + [sampling.from_blocks(start.embed_dim, stack) for stack in stacks]


def _beside(
    choices: tuple[_Number, ...], value: _Number
) -> tuple[_Number, ...]:
    """The choices before and after this one."""
    index = choices.index(value)
    return choices[:index][-1:] + choices[index + 1 :][:1]
