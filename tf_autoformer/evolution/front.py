"""The front of a search with several objectives: accuracy and costs."""

from collections.abc import Sequence

from tf_autoformer import errors
from tf_autoformer.evolution import selection
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost as cost_lib

Candidate = selection.Candidate

ACCURACY = "accuracy"


def objectives(candidate: Candidate, names: Sequence[str]) -> tuple[float, ...]:
    """The objectives of a candidate: the share of errors, then the costs.

    Less of each is better.

    Args:
      candidate: Candidate with the costs.
      names: "accuracy" and names of costs, in any order.
    """
    costs = (candidate.costs[name] for name in names if name != ACCURACY)
    return (1 - candidate.accuracy, *costs)


def members(
    candidates: Sequence[Candidate], names: Sequence[str]
) -> list[Candidate]:
    """The candidates that no other one dominates, the most accurate first.

    One dominates another if it is better in an objective and worse in none. Of
    candidates that are equal in all, the first is a member.

    Args:
      candidates: Candidates with the costs.
      names: Names of the objectives. See `objectives`.
    """
    found: list[Candidate] = []
    values: list[tuple[float, ...]] = []
    # In this order none is dominated by a later one.
    for candidate in sorted(candidates, key=lambda c: objectives(c, names)):
        new = objectives(candidate, names)
        if not any(
            all(a <= b for a, b in zip(each, new, strict=True))
            for each in values
        ):
            found.append(candidate)
            values.append(new)
    return found


def spread(front: Sequence[Candidate], count: int) -> list[Candidate]:
    """Some members of a front at even distances: the first, …, the last.

    Args:
      front: Members of a front, in its order.
      count: Number of members to choose. A smaller front has fewer.
    """
    count = min(count, len(front))
    steps = max(1, count - 1)
    return [front[i * (len(front) - 1) // steps] for i in range(count)]


class Front:
    """The objectives of a search, and the fronts that they make.

    Args:
      names: Names of the objectives. See `objectives`.
      constraint: Constraint of the search.
      costs: Costs of the search's candidates.

    Attributes:
      costs: Costs among the objectives.

    Raises:
      InputError: A name is unknown, or pymoo is not installed.
    """

    def __init__(
        self,
        names: Sequence[str],
        constraint: constraint_lib.Constraint,
        costs: Sequence[cost_lib.Cost],
    ):
        known = {each.name: each for each in costs}
        for name in names:
            if name != ACCURACY and name not in known:
                raise errors.InputError(
                    f"objectives has {name!r}; it can have {ACCURACY}, "
                    f"{', '.join(known)}"
                )
        require_pymoo()
        self._names = names
        self.costs = [known[name] for name in names if name != ACCURACY]
        self._references = [_reference(each, constraint) for each in self.costs]

    def members(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The front of some candidates. See `front.members`."""
        return members(candidates, self._names)

    def hypervolume(self, front: Sequence[Candidate]) -> float:
        """The volume that a front dominates, as a share of a box.

        The box reaches from no errors and no costs to 100% errors and the
        largest allowed costs. Without a maximum it is the cost of the space's
        largest architecture.

        Args:
          front: Candidates, of which those that are dominated add nothing.
        """
        import numpy as np
        from pymoo.indicators import hv

        box = np.array([1.0, *self._references])
        values = np.array([objectives(each, self._names) for each in front])
        return float(hv.HV(np.ones_like(box))(values / box))


def _reference(
    each: cost_lib.Cost, constraint: constraint_lib.Constraint
) -> float:
    """The cost at the far end of the hypervolume's box."""
    allowed = constraint.ranges.get(each)
    if allowed is not None and allowed.maximum is not None:
        return allowed.maximum
    return each.measure(constraint.model, constraint.space.largest)


def require_pymoo() -> None:
    """Fails if pymoo, an optional extra, is not installed.

    Raises:
      InputError: It is not.
    """
    try:
        import pymoo  # noqa: F401
    except ImportError as error:
        raise errors.InputError(
            "the driver nsga2 needs pymoo: pip install pymoo==0.6.1.5"
        ) from error
