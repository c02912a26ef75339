"""The best architectures of an additive score under a budget, exactly."""

import heapq
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import sampling

Architecture = architecture_lib.Architecture
Block = sampling.Block
# Values of the bounded costs that are additive, in the order of the constraint.
_Costs = tuple[float, ...]


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


def best_first(
    constraint: constraint_lib.Constraint, effects: Effects
) -> Iterator[Architecture]:
    """All architectures within the budget, in descending order of their score.

    The budget is the bounds of the additive costs. The caller has to check the
    others. Only what is asked for is computed: the first architecture takes
    one knapsack for each embedding dimension, the others little more.

    Args:
      constraint: Space, and the bounds of the costs.
      effects: Score.
    """
    # The paths are beginnings of architectures, by the score of their best end.
    # Of equals the finished and the longest come first: else all beginnings
    # would come before the first end.
    order = itertools.count()
    paths: list[tuple[int, bool, int, int, _Path]] = []

    def push(best: int, path: _Path) -> None:
        key = (-best, not path.finished, -len(path.blocks), next(order))
        heapq.heappush(paths, (*key, path))

    for embed_dim in constraint.space.embed_dims:
        knapsack = _Knapsack(constraint, effects, embed_dim)
        score = effects.embed_dim[embed_dim]
        if (end := knapsack.ends[0].get(knapsack.fixed)) is not None:
            push(score + end, _Path(knapsack, (), knapsack.fixed, score))
    while paths:
        *_, path = heapq.heappop(paths)
        if path.finished:
            yield sampling.from_blocks(
                path.knapsack.embed_dim, list(path.blocks)
            )
            continue
        for longer, end in path.knapsack.extended(path):
            push(longer.score + end, longer)


class _Path(NamedTuple):
    """A beginning of an architecture, or a finished one.

    Attributes:
      knapsack: Knapsack of its embedding dimension.
      blocks: Blocks chosen so far.
      costs: Costs so far.
      score: Score so far.
      finished: Whether no block follows.
    """

    knapsack: "_Knapsack"
    blocks: tuple[Block, ...]
    costs: _Costs
    score: int
    finished: bool = False


class _Knapsack:
    """Dynamic programming over the costs, for one embedding dimension.

    Attributes:
      embed_dim: Embedding dimension.
      fixed: Costs of what is not a block.
      ends: Best score of the blocks that follow and of the depth, for each
        number of blocks so far and each sum of costs so far from which some
        end is within the budget.
    """

    def __init__(
        self,
        constraint: constraint_lib.Constraint,
        effects: Effects,
        embed_dim: int,
    ):
        self.embed_dim = embed_dim
        self._depths = constraint.space.depths
        self._effects = effects
        self._ranges = [
            allowed
            for cost, allowed in constraint.ranges.items()
            if cost.additive
        ]
        self.fixed, self._costs = _measured(constraint, embed_dim)
        self.ends = self._solved()

    def _solved(self) -> list[dict[_Costs, int]]:
        sums = [{self.fixed}]
        for _ in range(self._depths[-1]):
            longer = (
                _plus(costs, block)
                for costs in sums[-1]
                for block in set(self._costs.values())
            )
            sums.append({costs for costs in longer if self._below(costs)})
        self.ends = [{} for _ in sums]
        for layer in reversed(range(len(sums))):
            for costs in sums[layer]:
                path = _Path(self, ((0, 0.0),) * layer, costs, 0)
                scores = [
                    longer.score + end for longer, end in self.extended(path)
                ]
                if scores:
                    self.ends[layer][costs] = max(scores)
        return self.ends

    def extended(self, path: _Path) -> Iterator[tuple[_Path, int]]:
        """The path with one block more, or finished, and its best end's score.

        What no end brings within the budget is left out.
        """
        layer = len(path.blocks)
        if layer in self._depths and self._allows(path.costs):
            score = path.score + self._effects.depth[layer]
            yield path._replace(score=score, finished=True), 0
        if layer == self._depths[-1]:
            return
        for block, effect in self._effects.blocks[layer].items():
            costs = _plus(path.costs, self._costs[block])
            end = self.ends[layer + 1].get(costs)
            if end is not None:
                blocks = (*path.blocks, block)
                yield _Path(self, blocks, costs, path.score + effect), end

    def _allows(self, costs: _Costs) -> bool:
        return not any(
            allowed.violation(value)
            for allowed, value in zip(self._ranges, costs, strict=True)
        )

    def _below(self, costs: _Costs) -> bool:
        """Whether no cost is more than its maximum."""
        return all(
            allowed.maximum is None or value <= allowed.maximum
            for allowed, value in zip(self._ranges, costs, strict=True)
        )


def _measured(
    constraint: constraint_lib.Constraint, embed_dim: int
) -> tuple[_Costs, dict[Block, _Costs]]:
    """The additive costs of what is not a block, and of each block."""

    def measured(*blocks: Block) -> _Costs:
        subnet = sampling.from_blocks(embed_dim, list(blocks))
        return tuple(
            cost.measure(constraint.model, subnet)
            for cost in constraint.ranges
            if cost.additive
        )

    space = constraint.space
    costs = {
        block: _minus(measured(block, block), measured(block))
        for block in itertools.product(space.num_heads, space.mlp_ratios)
    }
    block = next(iter(costs))
    return _minus(measured(block), costs[block]), costs


def _plus(first: _Costs, second: _Costs) -> _Costs:
    return tuple(map(operator.add, first, second))


def _minus(first: _Costs, second: _Costs) -> _Costs:
    return tuple(map(operator.sub, first, second))
