"""The algorithms that propose candidates, by name."""

import random
from collections.abc import Callable, Iterator

from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib

# See `algorithm.search`, which is one. A driver follows from the seed and the
# accuracies alone, so that a search can be continued.
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

    See `algorithm.search` for arguments, results and errors.
    """
    rng = random.Random(config.search_seed)
    known: dict[architecture_lib.Architecture, selection.Candidate] = {}
    for generation in range(config.generations):
        size = config.offspring if generation else config.population
        members = algorithm.drawn(constraint, size, rng, known)
        if not members:
            return  # All that satisfy the constraint are known.
        found = {c.architecture: c for c in evaluate(generation, members)}
        known |= {architecture: found[architecture] for architecture in members}
        yield selection.ranked(list(known.values()))


DRIVERS: dict[str, Driver] = {
    "evolution": algorithm.search,
    "random": random_search,
}
