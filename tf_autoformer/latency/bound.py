"""Latency as a cost of a search: predicted from a file of measurements."""

import dataclasses
import os
from collections.abc import Collection

from tf_autoformer import errors
from tf_autoformer.latency import measurements as measurements_lib
from tf_autoformer.latency import network
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, search_space
from tf_autoformer.space import model as model_lib


def _unmeasured(*_: object) -> float:
    raise errors.InputError("no latency is measured")


# It stands for the cost where flags are defined. `read` gives its values.
COST = cost.Cost(
    "latency_ms",
    "ms",
    _unmeasured,
    "milliseconds of predicted latency",
)


def read(
    path: str | os.PathLike[str] | None,
    model: model_lib.ModelConfig,
    space: search_space.SearchSpace,
    bounded: Collection[str] = (),
) -> measurements_lib.Measurements | None:
    """The measurements that a search bounds latency by.

    Args:
      path: File of the measurements. None if none is given.
      model: Fixed part of the supernet's network.
      space: Search space of the supernet.
      bounded: Names of the costs that the search bounds.

    Raises:
      InputError: Latency is bounded without measurements, or these are of
        another network.
    """
    if path is None:
        if COST.name in bounded:
            raise errors.InputError(
                f"{COST.name} is bounded; --latency=FILE must give the "
                "measurements, which `measure` makes"
            )
        return None
    found = measurements_lib.Measurements(path)
    if found.setting is None:
        raise errors.InputError(f"{path} has no measurements; make them first")
    with errors.about(path):
        found.setting.network.require(network.of(model, space))
    return found


def predicted(measurements: measurements_lib.Measurements) -> cost.Cost:
    """The cost that is predicted from measurements.

    Raises:
      InputError: They are too few.
    """
    from tf_autoformer.latency import predictor  # Late: it imports NumPy.

    return dataclasses.replace(
        COST,
        measure=predictor.Predictor(measurements),
        source=measurements.digest,
    )


def measured(
    path: str | os.PathLike[str], others: measurements_lib.Measurements
) -> dict[architecture_lib.Architecture, float]:
    """The latency in milliseconds of each architecture that was measured.

    Args:
      path: File of the architectures that a search measured itself. It may be
        missing.
      others: Further measurements.
    """
    return others.latencies | measurements_lib.Measurements(path).latencies
