"""Training methods: the subnets that a step trains, and their targets.

A method is one entry of `METHODS`. Nothing else knows its name.
"""

import dataclasses
import random

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

SearchSpace = search_space.SearchSpace


@dataclasses.dataclass(frozen=True)
class Lesson:
    """The way in which a path learns.

    Attributes:
      labelled: Whether the targets are the labels, smoothed, and the teacher's
        predictions if there is a teacher. Otherwise the targets are the first
        path's predictions (in-place distillation, BigNAS, section 3.1).
      drop_path: Whether residuals are dropped at random.
    """

    labelled: bool
    drop_path: bool


@dataclasses.dataclass(frozen=True)
class Method:
    """How a step trains the supernet.

    Attributes:
      draw: Draws the paths of one step. The first path holds all others: none
        exceeds it in any dimension. The update's box is the first path's.
      first: Lesson of the first path.
      others: Lesson of the other paths. None: there are no others.
    """

    draw: sampling.Rule
    first: Lesson
    others: Lesson | None = None


def single_path(space: SearchSpace, rng: random.Random) -> sampling.Paths:
    """One uniform architecture (AutoFormer, Algorithm 1)."""
    return (sampling.uniform(space, rng),)


def sandwich(space: SearchSpace, rng: random.Random) -> sampling.Paths:
    """The largest architecture, the smallest and two uniform ones (BigNAS)."""
    return (
        space.largest,
        space.smallest,
        *(sampling.uniform(space, rng) for _ in range(2)),
    )


def always(subnet: architecture_lib.Architecture) -> sampling.Rule:
    """The rule that draws one subnet alone, to train it from scratch."""
    return lambda space, rng: (subnet,)


METHODS = {
    "autoformer": Method(single_path, Lesson(labelled=True, drop_path=True)),
    "bignas": Method(
        sandwich,
        first=Lesson(labelled=True, drop_path=True),
        others=Lesson(labelled=False, drop_path=False),
    ),
}
