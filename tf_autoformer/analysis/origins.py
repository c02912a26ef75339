"""The yield of each operator that made candidates."""

import dataclasses
import statistics
from collections.abc import Collection, Sequence

from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture


@dataclasses.dataclass(frozen=True)
class Yield:
    """What one operator has brought.

    Attributes:
      origin: Operator, see `selection.Candidate`, or "not recorded".
      evaluated: Number of its candidates.
      mean: Mean of their accuracies, in [0, 1].
      best: Best of their accuracies, in [0, 1].
      entered: Number of those that entered the top K. See `entered`.
    """

    origin: str
    evaluated: int
    mean: float
    best: float
    entered: int


def entered(
    candidates: Sequence[selection.Candidate], parents: int
) -> set[Architecture]:
    """The candidates that entered the top K when they were evaluated.

    They were among the K most accurate of all generations up to their own.

    Args:
      candidates: All candidates, in any order.
      parents: Number of candidates that have offspring, K.
    """
    ranking = selection.ranked(candidates)
    result = set()
    for number in {c.generation for c in candidates}:
        so_far = [c for c in ranking if c.generation <= number]
        result |= {
            c.architecture
            for c in selection.top(so_far, parents)
            if c.generation == number
        }
    return result


def yields(
    candidates: Sequence[selection.Candidate],
    entered: Collection[Architecture],
) -> list[Yield]:
    """The yield of each operator, that of most candidates first.

    Args:
      candidates: Candidates to count.
      entered: Architectures that entered the top K.
    """
    result = []
    for origin in {c.origin: None for c in candidates}:
        own = [c for c in candidates if c.origin == origin]
        accuracies = [c.accuracy for c in own]
        result.append(
            Yield(
                origin=origin or "not recorded",
                evaluated=len(own),
                mean=statistics.fmean(accuracies),
                best=max(accuracies),
                entered=sum(c.architecture in entered for c in own),
            )
        )
    return sorted(result, key=lambda each: -each.evaluated)
