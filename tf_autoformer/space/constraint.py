"""Resource constraints, and random architectures that satisfy them."""

import dataclasses
import math
import random
from collections.abc import Mapping

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, sampling, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture

# Uniform draws before the search for a feasible architecture is guided, and
# then the walks, and the steps of each walk, before it gives up.
_UNIFORM_TRIES = 200
_WALKS = 40
_STEPS = 250


@dataclasses.dataclass(frozen=True)
class Range:
    """The allowed values of one cost, both ends included.

    Attributes:
      minimum: Lower end. None if there is none.
      maximum: Upper end. None if there is none.
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
            if value == math.inf:
                raise errors.InputError(f"{end} is inf; it must be finite")
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
        """The distance of `value` to the bound, relative to it; 0 if inside."""
        if self.minimum is not None and value < self.minimum:
            return (self.minimum - value) / self.minimum
        if self.maximum is not None and value > self.maximum:
            return (value - self.maximum) / self.maximum
        return 0.0

    def __str__(self) -> str:
        """The range as text, for error messages."""
        if self.minimum is None and self.maximum is None:
            return "of any value"
        if self.minimum is None:
            return f"at most {self.maximum:,.12g}"
        if self.maximum is None:
            return f"at least {self.minimum:,.12g}"
        return f"{self.minimum:,.12g} to {self.maximum:,.12g}"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """Constraint C of Algorithm 2: a range for each bounded cost.

    Attributes:
      space: Architectures to choose from.
      model: Fixed part of the network, which the costs depend on.
      ranges: Allowed range of each bounded cost.
    """

    space: search_space.SearchSpace
    model: model_lib.ModelConfig
    ranges: Mapping[cost.Cost, Range]

    def __str__(self) -> str:
        """Every bounded cost with its range."""
        bounds = (
            f"{each.name} {allowed}" for each, allowed in self.ranges.items()
        )
        return " and ".join(bounds) or "none"

    def violation(self, architecture: Architecture) -> float:
        """Sum of the relative violations. 0 means satisfied."""
        return sum(
            allowed.violation(each.measure(self.model, architecture))
            for each, allowed in self.ranges.items()
        )

    def allows(self, architecture: Architecture) -> bool:
        """Whether every bounded cost is in its range."""
        return self.violation(architecture) == 0

    def require_reachable(self) -> None:
        """Fails at once if a range lies outside the costs of the space.

        Only costs that grow with the architecture are checked. The space's
        extremes say nothing about the others.

        Raises:
          InputError: A range is out of reach. The message names the cost, the
            range and the space's own range.
        """
        for each, allowed in self.ranges.items():
            if not each.grows:
                continue
            low = each.measure(self.model, self.space.smallest)
            high = each.measure(self.model, self.space.largest)
            if (allowed.maximum is not None and allowed.maximum < low) or (
                allowed.minimum is not None and allowed.minimum > high
            ):
                raise errors.InputError(
                    f"no architecture has {each.name} {allowed}: the space "
                    f"reaches from {each.number(low)} to {each.text(high)}"
                )

    def sample(self, rng: random.Random) -> Architecture:
        """Draws an architecture that satisfies the constraint.

        Uniform draws are rejected until one fits. If the constraint leaves so
        little of the space that none does, walks look for a way in. A step of
        a walk is a single change that does not increase the violation.

        Raises:
          InputError: No such architecture was found. The message names the
            costs of the closest one.
        """
        self.require_reachable()
        tried = []
        for _ in range(_UNIFORM_TRIES):
            tried.append(sampling.uniform(self.space, rng))
            if self.allows(tried[-1]):
                return tried[-1]
        for _ in range(_WALKS):
            tried.append(self._walk(rng))
            if self.allows(tried[-1]):
                return tried[-1]
        closest = min(tried, key=self.violation)
        found = " and ".join(
            each.text(each.measure(self.model, closest)) for each in self.ranges
        )
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
