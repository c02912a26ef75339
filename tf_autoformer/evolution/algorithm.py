"""Algorithm 2: the evolution search itself."""

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from tf_autoformer import errors, rules
from tf_autoformer.evolution import operators
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib

Architecture = architecture_lib.Architecture

# Draws for one new offspring that satisfies the constraint and is not known,
# before a random architecture takes its place, and for that one.
_TRIES = 100


@dataclasses.dataclass(frozen=True)
class EvolutionConfig:
    """The parameters of Algorithm 2.

    Attributes:
      population: Architectures of the first generation, P.
      generations: Number of generations, T, the first included.
      parents: Number of most accurate candidates that have offspring, K.
      crossovers: Offspring by crossover in each later generation.
      mutations: Offspring by mutation in each later generation.
      depth_probability: Probability that a mutation draws the depth anew,
        P_d; the embedding dimension has the same.
      layer_probability: Probability that a mutation draws a block anew, P_m.
      search_seed: Seed of the whole search.
    """

    population: int = rules.field(50, rules.at_least(1))
    generations: int = rules.field(20, rules.at_least(1))
    parents: int = rules.field(10, rules.at_least(1))
    crossovers: int = rules.field(25, rules.NOT_NEGATIVE)
    mutations: int = rules.field(25, rules.NOT_NEGATIVE)
    depth_probability: float = rules.field(0.2, rules.SHARE)
    layer_probability: float = rules.field(0.4, rules.SHARE)
    search_seed: int = 0

    def __post_init__(self) -> None:
        rules.check(self)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An evaluated architecture.

    Attributes:
      generation: the one that it was made in, from 0.
      architecture: what was evaluated.
      accuracy: on the validation split with inherited weights, in [0, 1].
      costs: by name.
    """

    generation: int
    architecture: Architecture
    accuracy: float
    costs: Mapping[str, float]


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Most accurate first; of equals the cheaper, then the earlier, first."""
    return sorted(candidates, key=lambda c: (-c.accuracy, c.costs["params"]))


def accuracies(candidates: Sequence[Candidate], generation: int) -> list[float]:
    """The accuracies of one generation's candidates."""
    return [c.accuracy for c in candidates if c.generation == generation]


def search(
    config: EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: Callable[[int, Architecture], Candidate],
) -> Iterator[list[Candidate]]:
    """Runs Algorithm 2.

    The whole search follows from the seed and the accuracies: run again with
    an `evaluate` that remembers, it repeats itself up to where it stopped.

    Args:
      config: the parameters.
      constraint: what every candidate satisfies.
      evaluate: (generation, architecture) -> candidate. Called once for each
        architecture.

    Yields:
      After each generation all candidates so far, ranked.

    Raises:
      InputError: no architecture satisfies the constraint.
    """
    rng = random.Random(config.search_seed)
    known: dict[Architecture, Candidate] = {}
    ranking: list[Candidate] = []
    members = _fill([], config.population, known, constraint, rng)
    for generation in range(config.generations):
        if generation:
            parents = [c.architecture for c in ranking[: config.parents]]
            members = _offspring(config, constraint, parents, known, rng)
        if not members:
            return  # All that satisfy the constraint are known.
        for architecture in members:
            known[architecture] = evaluate(generation, architecture)
        ranking = ranked(list(known.values()))
        yield ranking


def _offspring(
    config: EvolutionConfig,
    constraint: constraint_lib.Constraint,
    parents: Sequence[Architecture],
    known: Mapping[Architecture, Candidate],
    rng: random.Random,
) -> list[Architecture]:
    """The next generation: crossover ∪ mutation, each new and allowed."""

    def cross() -> Architecture:
        first, second = rng.sample(parents, 2)
        return operators.crossover(first, second, rng)

    def mutate() -> Architecture:
        return operators.mutate(
            constraint.space,
            rng.choice(parents),
            config.depth_probability,
            config.layer_probability,
            rng,
        )

    members: list[Architecture] = []
    plans = [(mutate, config.mutations)]
    if len(parents) > 1:
        plans.insert(0, (cross, config.crossovers))
    for operator, count in plans:
        for _ in range(count):
            for _ in range(_TRIES):
                child = operator()
                new = child not in known and child not in members
                if new and constraint.allows(child):
                    members.append(child)
                    break
    size = config.crossovers + config.mutations
    return _fill(members, size, known, constraint, rng)


def _fill(
    members: list[Architecture],
    size: int,
    known: Mapping[Architecture, Candidate],
    constraint: constraint_lib.Constraint,
    rng: random.Random,
) -> list[Architecture]:
    """Adds new random architectures; fewer if there seem to be no more.

    Raises:
      InputError: there is not even a first one.
    """
    members = list(members)
    misses = 0
    while len(members) < size and misses < _TRIES:
        try:
            drawn = constraint.sample(rng)
        except errors.InputError:
            if known or members:
                break
            raise
        if drawn in known or drawn in members:
            misses += 1
        else:
            members.append(drawn)
            misses = 0
    return members
