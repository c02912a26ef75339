"""Random architectures under a constraint, each once."""

import logging
import random
from collections.abc import Collection

from tf_autoformer import errors, progress
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture

# Known architectures drawn in a row, after which there seem to be no new ones.
_TRIES = 100


def distinct(
    constraint: constraint_lib.Constraint,
    count: int,
    rng: random.Random,
    known: Collection[Architecture] = (),
    attempts: int = 1,
) -> list[Architecture]:
    """Draws different architectures. Fewer if there seem to be no more.

    Under a narrow constraint a draw takes a second or so, and progress is told.

    Args:
      constraint: Constraint that each one satisfies.
      count: Number of architectures to draw.
      rng: Source of randomness.
      known: Architectures that are not drawn again.
      attempts: Number of draws that may fail in a row before it ends.

    Raises:
      InputError: None was found, and none is known.
    """
    drawn: dict[Architecture, None] = {}
    repeated = failed = 0
    with progress.Meter(0, count, "architectures", "random draws") as meter:
        while len(drawn) < count and repeated < _TRIES:
            if meter.due:
                meter.update(len(drawn))
                _LOGGER.info("random draws: %d of %d", len(drawn), count)
            try:
                new = constraint.sample(rng)
            except errors.InputError:
                failed += 1
                if failed < attempts:
                    continue
                if drawn or known:
                    break
                raise
            failed = 0
            if new in known or new in drawn:
                repeated += 1
                continue
            repeated = 0
            drawn[new] = None
            meter.advance(len(drawn))
    return list(drawn)
