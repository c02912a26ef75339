"""The best architectures of an additive score under a budget, exactly."""

import heapq
import itertools
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import sampling

Architecture = architecture_lib.Architecture
Block = sampling.Block

# Score where no end is within the budget. No sum of effects comes near it.
_NONE = -(2**62)


class Effects(NamedTuple):
    """A score of architectures that is a sum over their choices.

    The effects are integers, so that sums are exact in any order.

    Attributes:
      embed_dim: Effect of each embedding dimension.
      depth: Effect of each depth.
      blocks: Effect of each (heads, MLP ratio) block, for each layer.
    """

    embed_dim: Mapping[int, int]
    depth: Mapping[int, int]
    blocks: Sequence[Mapping[Block, int]]


class _Path(NamedTuple):
    """A beginning of an architecture, or a whole one.

    Attributes:
      knapsack: Knapsack of its embedding dimension.
      score: Score so far.
      blocks: Blocks so far.
      sums: Sums of the blocks' steps. See `_Knapsack.steps`.
      whole: Whether no block follows.
    """

    knapsack: "_Knapsack"
    score: int
    blocks: tuple[Block, ...] = ()
    sums: tuple[int, int] = (0, 0)
    whole: bool = False


def best_first(
    constraint: constraint_lib.Constraint, effects: Effects
) -> Iterator[Architecture]:
    """All architectures within the budget, in descending order of their score.

    The budget is the bounds of the linear costs. The caller has to check the
    others. Only what is asked for is computed: the first architecture takes
    one knapsack for each embedding dimension, the others little more.

    Args:
      constraint: Space, and the bounds of the costs.
      effects: Score.
    """
    # The paths come by the score of their best end. Of equals the whole and the
    # longest come first: else all beginnings would come before the first end.
    order = itertools.count()
    paths: list[tuple[int, bool, int, int, _Path]] = []

    def push(path: _Path, end: int) -> None:
        if end > _NONE // 2:
            key = (-path.score - end, not path.whole, -len(path.blocks))
            heapq.heappush(paths, (*key, next(order), path))

    for embed_dim, effect in effects.embed_dim.items():
        knapsack = _Knapsack(constraint, effects, embed_dim)
        push(_Path(knapsack, effect), int(knapsack.ends[0][0, 0]))
    while paths:
        *_, path = heapq.heappop(paths)
        if path.whole:
            yield sampling.from_blocks(
                path.knapsack.embed_dim, list(path.blocks)
            )
        else:
            for longer, end in path.knapsack.extended(path):
                push(longer, end)


class _Knapsack:
    """Dynamic programming over the costs, for one embedding dimension.

    Linear costs follow from the depth and from two sums over the blocks, of the
    heads and of the hidden units. So these sums are the states, whatever costs
    are bounded, from below or above.

    Attributes:
      embed_dim: Embedding dimension.
      steps: Heads and hidden units of each block, as multiples of the largest
        steps that lead from the smallest choices to all others.
      ends: Best score of the depth and of the blocks that follow, for each
        number of blocks so far: int64 [sum of heads, sum of hidden units], in
        steps.
    """

    def __init__(
        self,
        constraint: constraint_lib.Constraint,
        effects: Effects,
        embed_dim: int,
    ):
        self.embed_dim = embed_dim
        space = constraint.space
        self._constraint = constraint
        self._effects = effects
        heads = _steps(space.num_heads)
        units = _steps(
            [
                architecture_lib.hidden_dim(embed_dim, ratio)
                for ratio in space.mlp_ratios
            ]
        )
        self._most = heads[-1], units[-1]
        self.steps = dict(
            zip(
                itertools.product(space.num_heads, space.mlp_ratios),
                itertools.product(heads, units),
                strict=True,
            )
        )
        self._allowed = {
            depth: self._within_budget(depth) for depth in space.depths
        }
        self.ends: list[npt.NDArray[np.int64]] = []
        for layer in reversed(range(space.depths[-1] + 1)):
            self.ends.insert(0, self._best_ends(layer))

    def _best_ends(self, layer: int) -> npt.NDArray[np.int64]:
        """The `ends` after `layer` blocks, given the next layer's, if any."""
        rows, columns = (layer * most + 1 for most in self._most)
        best = np.full((rows, columns), _NONE)
        if layer in self._allowed:
            best[self._allowed[layer]] = self._effects.depth[layer]
        if self.ends:
            for block, effect in self._effects.blocks[layer].items():
                i, j = self.steps[block]
                longer = self.ends[0][i : i + rows, j : j + columns]
                np.maximum(best, longer + effect, out=best)
        return best

    def _within_budget(self, depth: int) -> npt.NDArray[np.bool_]:
        """Whether a network of this depth is within it, for each state."""
        space, model = self._constraint.space, self._constraint.model
        states = np.indices([depth * most + 1 for most in self._most])
        allowed = np.ones(states.shape[1:], bool)
        small = space.num_heads[0], space.mlp_ratios[0]
        more_heads = space.num_heads[-1], space.mlp_ratios[0]
        more_units = space.num_heads[0], space.mlp_ratios[-1]
        for cost, bounds in self._constraint.ranges.items():
            if not cost.linear:
                continue
            base, *ends = (
                cost.measure(
                    model,
                    sampling.from_blocks(
                        self.embed_dim, [first, *[small] * (depth - 1)]
                    ),
                )
                for first in (small, more_heads, more_units)
            )
            # Exact: float64 holds the integers, and a step costs an integer.
            steps = (
                (end - base) / max(most, 1)
                for end, most in zip(ends, self._most, strict=True)
            )
            total = base + sum(map(operator.mul, states, steps))
            if bounds.minimum is not None:
                allowed &= total >= bounds.minimum
            if bounds.maximum is not None:
                allowed &= total <= bounds.maximum
        return allowed

    def extended(self, path: _Path) -> Iterator[tuple[_Path, int]]:
        """The path, whole or longer by a block, with its best end's score."""
        layer = len(path.blocks)
        if layer in self._allowed and self._allowed[layer][path.sums]:
            score = path.score + self._effects.depth[layer]
            yield path._replace(score=score, whole=True), 0
        if layer + 1 < len(self.ends):
            for block, effect in self._effects.blocks[layer].items():
                i, j = self.steps[block]
                sums = path.sums[0] + i, path.sums[1] + j
                blocks = (*path.blocks, block)
                longer = _Path(self, path.score + effect, blocks, sums)
                yield longer, int(self.ends[layer + 1][sums])


def _steps(choices: Sequence[int]) -> list[int]:
    """Choices as multiples of a common step, counted from the smallest."""
    offsets = [choice - choices[0] for choice in choices]
    step = math.gcd(*offsets) or 1
    return [offset // step for offset in offsets]
