"""NSGA-II: a search for a front of accuracy against costs.

Its sorting is pymoo's, an optional extra. Its loop is not: pymoo's algorithms
seed the random numbers of the whole process, so that a search could not be
continued by replay.
"""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.evolution import front as front_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib


def search(
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
) -> Iterator[list[selection.Candidate]]:
    """Runs NSGA-II (Deb et al., 2002) with Algorithm 2's operators.

    Of all candidates so far, the `config.population` best by rank and crowding
    distance survive. Binary tournaments among them choose the parents.

    See `algorithm.run` for arguments, results and errors.
    """

    def propose(
        ranking: Sequence[selection.Candidate], _: int, rng: random.Random
    ) -> dict[architecture_lib.Architecture, str]:
        survivors = crowded(ranking, config.objectives)[: config.population]
        number = len(survivors)
        parents = [
            survivors[min(rng.randrange(number), rng.randrange(number))]
            for _ in survivors
        ]
        known = {candidate.architecture for candidate in ranking}
        return algorithm.offspring(
            config,
            constraint,
            [candidate.architecture for candidate in parents],
            known,
            rng,
        )

    return algorithm.run(config, constraint, evaluate, propose)


def crowded(
    candidates: Sequence[selection.Candidate], objectives: Sequence[str]
) -> list[selection.Candidate]:
    """Candidates by rank, those of a rank by descending crowding distance.

    Rank 0 is the front of all, rank 1 the front of the others, and so on.
    Equals stay in their order.

    Args:
      candidates: Candidates with the costs.
      objectives: Names of the objectives. See `front.objectives`.
    """
    front_lib.require_pymoo()
    from pymoo.operators.survival.rank_and_crowding import metrics
    from pymoo.util.nds import non_dominated_sorting

    values = np.array(
        [front_lib.objectives(each, objectives) for each in candidates]
    )
    crowding = metrics.get_crowding_function("cd")
    result = []
    for rank in non_dominated_sorting.NonDominatedSorting().do(values):
        indices = np.sort(rank)
        distances = crowding.do(values[indices])
        order = np.argsort(-distances, kind="stable")
        result += [candidates[index] for index in indices[order]]
    return result
