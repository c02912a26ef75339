"""Selection of Algorithm 2: candidates, their ranking, and the top K."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An evaluated architecture.

    Attributes:
      generation: Number of the generation, from 0.
      architecture: Architecture that was evaluated.
      accuracy: Accuracy on the validation split with inherited weights, in
        [0, 1].
      costs: Value of each cost, by name. `cost.PARAMS` is always there.
      origin: Operator that made it: "random", "crossover", "mutation" or
        another one of a driver. Empty in searches of earlier versions.
      images: Number of images after which a race stopped it. Its accuracy is
        that on these images. None: it has seen all.
      right: Answers to the images, in the code of `evaluation.bits`. Empty
        without a race.
    """

    generation: int
    architecture: architecture_lib.Architecture
    accuracy: float
    costs: Mapping[str, float]
    origin: str = ""
    images: int | None = None
    right: str = ""


Select = Callable[[Sequence[Candidate], int], Sequence[Candidate]]
Choose = Callable[[Sequence[Candidate]], Candidate]


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The most accurate first, of equals the smaller, then the earlier.

    Those that a race stopped come behind all others.
    """
    return sorted(
        candidates,
        key=lambda c: (
            c.images is not None,
            -c.accuracy,
            c.costs[cost.PARAMS.name],
        ),
    )


def top(ranking: Sequence[Candidate], count: int) -> list[Candidate]:
    """The most accurate candidates ("top K" of Algorithm 2).

    Args:
      ranking: All candidates so far, `ranked`.
      count: Number of candidates to select, K.
    """
    return list(ranking[:count])


def first(ranking: Sequence[Candidate]) -> Candidate:
    """The first of a ranking."""
    return ranking[0]


def accuracies(candidates: Sequence[Candidate], generation: int) -> list[float]:
    """The accuracies of one generation's candidates."""
    return [c.accuracy for c in candidates if c.generation == generation]
