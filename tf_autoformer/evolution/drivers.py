"""The algorithms that propose candidates, by name."""

from collections.abc import Callable, Iterator

from tf_autoformer.evolution import (
    additive,
    algorithm,
    coarse_to_fine,
    nsga2,
    predictor,
    selection,
)
from tf_autoformer.space import constraint as constraint_lib

# See `algorithm.run`, which each one calls. A driver follows from the seed and
# the accuracies alone, so that a search can be continued.
Driver = Callable[
    [
        algorithm.EvolutionConfig,
        constraint_lib.Constraint,
        algorithm.Evaluate,
    ],
    Iterator[list[selection.Candidate]],
]


def random_search(
    config: algorithm.EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: algorithm.Evaluate,
) -> Iterator[list[selection.Candidate]]:
    """Draws every candidate at random, in generations of the usual sizes.

    See `algorithm.run` for arguments, results and errors.
    """
    return algorithm.run(config, constraint, evaluate, lambda *_: {})


DRIVERS: dict[str, Driver] = {
    "evolution": algorithm.search,
    "random": random_search,
    "nsga2": nsga2.search,
    "predictor": predictor.search,
    "additive": additive.search,
    "coarse_to_fine": coarse_to_fine.search,
}
