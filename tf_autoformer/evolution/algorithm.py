"""Algorithm 2: the evolution search itself."""

import dataclasses
import random
import types
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Literal

from tf_autoformer import errors, rules
from tf_autoformer.evolution import drawing, operators, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib

Architecture = architecture_lib.Architecture

# Function from a generation's number and its architectures, each with its
# origin (see `selection.Candidate`), to their candidates, in any order.
Evaluate = Callable[
    [int, Mapping[Architecture, str]], Iterable[selection.Candidate]
]

# Draws for one new offspring that satisfies the constraint and is not known.
# After them a random architecture takes its place, for which there are as many.
_TRIES = 100


@dataclasses.dataclass(frozen=True)
class EvolutionConfig:
    """The parameters of Algorithm 2, and of what may take its place.

    Attributes:
      driver: Algorithm that proposes candidates: "evolution", which is
        Algorithm 2, "random", "nsga2", which finds a front of accuracy against
        costs (NSGA-II, needs pymoo), "predictor", which is evolution on
        accuracies that boosted trees predict, "additive", which finds the
        exact best of an additive model of the accuracy within the budget, or
        "coarse_to_fine", which varies the best of a coarse grid by single
        steps.
      objectives: Objectives of "nsga2": "accuracy" and one or more costs that
        it keeps low. Default with this driver: accuracy,params.
      population: Architectures of the first generation, P.
      generations: Number of generations, T. The first one counts.
      parents: Number of most accurate candidates that have offspring, K.
      crossovers: Offspring by crossover in each later generation.
      mutations: Offspring by mutation in each later generation.
      depth_probability: Probability that a mutation draws the depth anew,
        P_d. The embedding dimension has the same probability.
      layer_probability: Probability that a mutation draws a block anew, P_m.
      search_seed: Seed of the whole search.
      racing: Whether a candidate that is unlikely to be among the `parents`
        best is evaluated on no further images.
    """

    driver: Literal[
        "evolution",
        "random",
        "nsga2",
        "predictor",
        "additive",
        "coarse_to_fine",
    ] = rules.field("evolution", before="evolution")
    objectives: tuple[str, ...] = rules.field((), before=())
    population: int = rules.field(50, rules.at_least(1))
    generations: int = rules.field(20, rules.at_least(1))
    parents: int = rules.field(10, rules.at_least(1))
    crossovers: int = rules.field(25, rules.NOT_NEGATIVE)
    mutations: int = rules.field(25, rules.NOT_NEGATIVE)
    depth_probability: float = rules.field(0.2, rules.SHARE)
    layer_probability: float = rules.field(0.4, rules.SHARE)
    search_seed: int = 0
    racing: bool = rules.field(False, before=False)

    def __post_init__(self) -> None:
        rules.check(self)
        names = self.objectives
        if self.driver != "nsga2":
            if names:
                raise errors.InputError(
                    f"objectives is {','.join(names)}; the driver "
                    f"{self.driver} has none, only nsga2 has"
                )
        elif not names:
            # The dataclass is frozen.
            object.__setattr__(self, "objectives", ("accuracy", "params"))
        elif (
            "accuracy" not in names
            or len(names) < 2
            or len(set(names)) < len(names)
        ):
            raise errors.InputError(
                f"objectives is {','.join(names)}; it must be accuracy and "
                "one or more costs, each once"
            )
        if self.racing and self.driver not in ("evolution", "random"):
            raise errors.InputError(
                f"driver is {self.driver!r}; it must be evolution or random "
                "with racing, as others need all accuracies"
            )

    @property
    def offspring(self) -> int:
        """Number of candidates of each generation after the first."""
        return self.crossovers + self.mutations

    @property
    def candidates(self) -> int:
        """Number of candidates of the whole search, if there are so many."""
        return self.population + (self.generations - 1) * self.offspring


# Function from the ranking of all candidates so far, the number of members that
# the next generation needs, and a source of randomness to new members, each
# with its origin. They may be fewer: `run` draws the others at random.
Propose = Callable[
    [Sequence[selection.Candidate], int, random.Random],
    dict[Architecture, str],
]


def run(
    config: EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: Evaluate,
    propose: Propose,
    first: Mapping[Architecture, str] = types.MappingProxyType({}),
) -> Iterator[list[selection.Candidate]]:
    """Runs a search, generation by generation.

    The whole search follows from the seed and the accuracies. A search that is
    run again with an `evaluate` that remembers repeats itself up to the point
    where it stopped.

    Args:
      config: Sizes of the generations, and the seed.
      constraint: Constraint that every candidate satisfies.
      evaluate: Function that evaluates a generation. It is called once for
        each generation, and no architecture comes twice.
      propose: Function that proposes each later generation. Its members
        satisfy the constraint and are not known.
      first: Members of the first generation that satisfy the constraint, each
        with its origin, up to `config.population`. The others are random.

    Yields:
      All candidates so far, ranked, after each generation. The search ends
      early if nothing new satisfies the constraint.

    Raises:
      InputError: No architecture satisfies the constraint.
    """
    rng = random.Random(config.search_seed)
    known: dict[Architecture, selection.Candidate] = {}
    ranking: list[selection.Candidate] = []
    for generation in range(config.generations):
        size = config.offspring if generation else config.population
        members = propose(ranking, size, rng) if generation else {**first}
        missing = size - len(members)
        members |= drawn(constraint, missing, rng, {*known, *members})
        if not members:
            return  # All that satisfy the constraint are known.
        found = {c.architecture: c for c in evaluate(generation, members)}
        # In the order of the members: it decides between equals.
        known |= {architecture: found[architecture] for architecture in members}
        ranking = selection.ranked(list(known.values()))
        yield ranking


def search(
    config: EvolutionConfig,
    constraint: constraint_lib.Constraint,
    evaluate: Evaluate,
    select: selection.Select = selection.top,
) -> Iterator[list[selection.Candidate]]:
    """Runs Algorithm 2. See `run` for the other arguments, results and errors.

    Args:
      config: Parameters of Algorithm 2.
      constraint: Constraint that every candidate satisfies.
      evaluate: Function that evaluates a generation.
      select: Function from the ranking of all candidates so far and
        `config.parents` to the candidates that have offspring, at least one.
    """

    def propose(
        ranking: Sequence[selection.Candidate], _: int, rng: random.Random
    ) -> dict[Architecture, str]:
        selected = select(ranking, config.parents)
        parents = [candidate.architecture for candidate in selected]
        known = {candidate.architecture for candidate in ranking}
        return offspring(config, constraint, parents, known, rng)

    return run(config, constraint, evaluate, propose)


def offspring(
    config: EvolutionConfig,
    constraint: constraint_lib.Constraint,
    parents: Sequence[Architecture],
    known: Collection[Architecture],
    rng: random.Random,
    tries: int = _TRIES,
) -> dict[Architecture, str]:
    """The next generation: crossover ∪ mutation, each new and allowed.

    Args:
      config: Parameters of Algorithm 2.
      constraint: Constraint that each child satisfies.
      parents: Architectures that have offspring. One alone has mutants only.
      known: Architectures that are not new.
      rng: Source of randomness.
      tries: Number of draws for each child.

    Returns:
      Children with their origins. They are fewer than planned where no draw
      for one was new and allowed.
    """

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

    members: dict[Architecture, str] = {}
    plans = [("mutation", mutate, config.mutations)]
    if len(parents) > 1:
        plans.insert(0, ("crossover", cross, config.crossovers))
    for origin, operator, count in plans:
        for _ in range(count):
            for _ in range(tries):
                child = operator()
                new = child not in known and child not in members
                if new and constraint.allows(child):
                    members[child] = origin
                    break
    return members


def drawn(
    constraint: constraint_lib.Constraint,
    count: int,
    rng: random.Random,
    known: Collection[Architecture] = (),
) -> dict[Architecture, str]:
    """Members of a generation that are drawn at random. See `drawing`."""
    found = drawing.distinct(constraint, count, rng, known)
    return dict.fromkeys(found, "random")
