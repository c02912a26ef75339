"""Resource constraints, and random architectures that satisfy them."""

import dataclasses
import random
from collections.abc import Callable, Mapping

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture
CostFunction = Callable[[Architecture], Mapping[str, float]]

# Uniform draws before the search for a feasible architecture is guided; then
# the walks, and the steps of each, before it gives up.
_UNIFORM_TRIES = 200
_WALKS = 40
_STEPS = 250


@dataclasses.dataclass(frozen=True)
class Range:
    """The allowed values of one cost, both ends included.

    Attributes:
      minimum: None for no lower end.
      maximum: None for no upper end.
    """

    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        for end in ("minimum", "maximum"):
            value = getattr(self, end)
            if value is not None and not value > 0:
                raise errors.InputError(
                    f"{end} is {value:g}; it must be positive"
                )
        if (
            self.minimum is not None
            and self.maximum is not None
            and self.minimum > self.maximum
        ):
            raise errors.InputError(
                f"minimum is {self.minimum:,.12g}; it must not exceed "
                f"the maximum, {self.maximum:,.12g}"
            )

    def violation(self, value: float) -> float:
        """How far outside `value` is, relative to the bound; 0 if inside."""
        if self.minimum is not None and value < self.minimum:
            return (self.minimum - value) / self.minimum
        if self.maximum is not None and value > self.maximum:
            return (value - self.maximum) / self.maximum
        return 0.0

    def __str__(self) -> str:
        """For error messages."""
        if self.minimum is None and self.maximum is None:
            return "of any value"
        if self.minimum is None:
            return f"at most {self.maximum:,.12g}"
        if self.maximum is None:
            return f"at least {self.minimum:,.12g}"
        return f"{self.minimum:,.12g} to {self.maximum:,.12g}"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """Constraint C of Algorithm 2: a range for each named cost.

    Attributes:
      space: the architectures to choose from.
      cost_of: architecture -> cost by name.
      ranges: the bounded costs.
    """

    space: search_space.SearchSpace
    cost_of: CostFunction
    ranges: Mapping[str, Range]

    def __str__(self) -> str:
        """Every bounded cost with its range."""
        bounds = (f"{name} {allowed}" for name, allowed in self.ranges.items())
        return " and ".join(bounds) or "none"

    def violation(self, architecture: Architecture) -> float:
        """Sum of the relative violations; 0 means satisfied."""
        if not self.ranges:
            return 0.0
        costs = self.cost_of(architecture)
        return sum(
            allowed.violation(costs[name])
            for name, allowed in self.ranges.items()
        )

    def allows(self, architecture: Architecture) -> bool:
        """Whether every bounded cost is in its range."""
        return self.violation(architecture) == 0

    def require_reachable(self) -> None:
        """Fails at once if a range lies outside what the space can cost.

        Raises:
          InputError: names the cost, the range and the space's own range.
        """
        low = self.cost_of(self.space.smallest)
        high = self.cost_of(self.space.largest)
        for name, allowed in self.ranges.items():
            if (
                allowed.maximum is not None and allowed.maximum < low[name]
            ) or (allowed.minimum is not None and allowed.minimum > high[name]):
                raise errors.InputError(
                    f"no architecture has {name} {allowed}: the space reaches "
                    f"from {low[name]:,} to {high[name]:,} {name}"
                )

    def sample(self, rng: random.Random) -> Architecture:
        """Draws an architecture that satisfies the constraint.

        Uniform draws are rejected until one fits. Where the constraint leaves
        so little of the space that none does, walks of single changes, none
        of which increases the violation, look for a way in.

        Raises:
          InputError: none was found.
        """
        self.require_reachable()
        for _ in range(_UNIFORM_TRIES):
            drawn = sampling.uniform(self.space, rng)
            if self.allows(drawn):
                return drawn
        ends = []
        for _ in range(_WALKS):
            ends.append(self._walk(rng))
            if self.allows(ends[-1]):
                return ends[-1]
        closest = self.cost_of(min(ends, key=self.violation))
        found = " and ".join(f"{closest[n]:,} {n}" for n in self.ranges)
        raise errors.InputError(
            f"no architecture found with {self}; the closest has {found}"
        )

    def _walk(self, rng: random.Random) -> Architecture:
        """Goes from a random architecture towards the allowed ones."""
        current = sampling.uniform(self.space, rng)
        violation = self.violation(current)
        for _ in range(_STEPS):
            if not violation:
                break
            step = _single_change(self.space, current, rng)
            step_violation = self.violation(step)
            if step_violation <= violation:
                current, violation = step, step_violation
        return current


def _single_change(
    space: search_space.SearchSpace,
    architecture: Architecture,
    rng: random.Random,
) -> Architecture:
    """Redraws the embedding dimension, the depth or one block."""
    embed_dim = architecture.embed_dim
    blocks = sampling.blocks_of(architecture)
    choice = rng.randrange(2 + len(blocks))
    if choice == 0:
        embed_dim = rng.choice(space.embed_dims)
    elif choice == 1:
        blocks = sampling.redraw_depth(space, blocks, rng)
    else:
        blocks[choice - 2] = sampling.block(space, rng)
    return sampling.from_blocks(embed_dim, blocks)
