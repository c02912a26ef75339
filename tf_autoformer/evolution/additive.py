"""The additive driver: effects of single choices, and an exact knapsack."""

import itertools
import random
from collections.abc import Iterator, Sequence

import numpy as np

from tf_autoformer.evolution import algorithm, encoding, knapsack, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import search_space

# Effects are written in this unit, which is far below what one image tells.
_UNIT = 1e-9
# Strength of the ridge, in candidates: a choice that this number of candidates
# has gets half of the effect that they show.
_RIDGE = 1.0
# Architectures to try beyond the known ones, where a constraint bounds a cost
# that is not linear.
_TRIES = 5_000


def search(
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
) -> Iterator[list[selection.Candidate]]:
    """Proposes what an additive model of the accuracy finds the best.

    Each generation, the effect of each choice is fitted to all candidates so
    far. The members are the best unknown architectures of this model, exactly,
    as far as the bounded costs are linear. Others are filtered out of the
    best ones, and where that leaves too few, random members fill up.

    See `algorithm.run` for arguments, results and errors.
    """

    def propose(
        ranking: Sequence[selection.Candidate], count: int, _: random.Random
    ) -> dict[architecture_lib.Architecture, str]:
        known = {candidate.architecture for candidate in ranking}
        best = knapsack.best_first(
            constraint, fitted(constraint.space, ranking)
        )
        new = (
            architecture
            for architecture in itertools.islice(best, len(known) + _TRIES)
            if architecture not in known and constraint.allows(architecture)
        )
        return dict.fromkeys(itertools.islice(new, count), "additive")

    return algorithm.run(config, constraint, evaluate, propose)


def fitted(
    space: search_space.SearchSpace, candidates: Sequence[selection.Candidate]
) -> knapsack.Effects:
    """Fits the effect of each choice on the accuracy, by ridge regression.

    Args:
      space: Space of the candidates.
      candidates: Candidates to fit to, at least one.
    """
    x = encoding.one_hot(space, [c.architecture for c in candidates])
    y = np.array([candidate.accuracy for candidate in candidates])
    penalty = _RIDGE * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean()))
    effects = {
        choice: round(weight / _UNIT)
        for choice, weight in zip(
            encoding.choices(space), weights.tolist(), strict=True
        )
    }
    return knapsack.Effects(
        embed_dim={
            dim: effects["embed_dim", 0, dim] for dim in space.embed_dims
        },
        depth={depth: effects["depth", 0, depth] for depth in space.depths},
        blocks=[
            {
                (heads, ratio): effects["num_heads", layer, heads]
                + effects["mlp_ratio", layer, ratio]
                for heads in space.num_heads
                for ratio in space.mlp_ratios
            }
            for layer in range(space.depths[-1])
        ],
    )
