"""Measures the latency of converted subnets on this machine."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from tf_autoformer import progress
from tf_autoformer.latency import measurements as measurements_lib
from tf_autoformer.latency import models, runtimes
from tf_autoformer.space import architecture as architecture_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture

_CLOCKS: Mapping[measurements_lib.Clock, Callable[[], float]] = {
    "wall": time.perf_counter,
    "cpu": time.process_time,
}


def measure(
    folder: models.ModelFolder,
    architectures: Iterable[Architecture],
    measurements: measurements_lib.Measurements,
    rounds: int,
    warm_up: int,
    runs: int,
) -> None:
    """Measures subnets in rounds, and writes each visit down.

    A round visits each subnet once, in an order of its own. So what disturbs
    the machine for some seconds or minutes meets another subnet each time,
    and shows as the spread between the visits.

    Args:
      folder: Folder of the models.
      architectures: Architectures to measure, whose models are in the folder.
      measurements: File of the measurements, which has its setting. Visits
        that it has count.
      rounds: Number of visits of each architecture.
      warm_up: Number of runs of a visit that are not counted.
      runs: Number of runs of a visit that are.

    Raises:
      InputError: The runtime is not installed or does not take a model.
    """
    setting = measurements.setting
    found = folder.models(setting.runtime)
    clock = _CLOCKS[setting.clock]
    subnets = list(architectures)
    visited = measurements.visits
    done = sum(min(rounds, len(visited.get(each, ()))) for each in subnets)
    total = rounds * len(subnets)
    with progress.Meter(done, total, "visits", "measuring") as meter:
        for number in range(rounds):
            random.Random(number).shuffle(subnets)
            for architecture in subnets:
                if len(visited.get(architecture, ())) > number:
                    continue
                run = runtimes.load(
                    setting.runtime, found[architecture], setting.threads
                )
                measurements.append(
                    architecture, _times(run, warm_up, runs, clock)
                )
                done += 1
                meter.advance(done)
                if meter.due:
                    _LOGGER.info("measuring: %s", meter.line(done))


def _times(
    run: runtimes.Run, warm_up: int, runs: int, clock: Callable[[], float]
) -> measurements_lib.Times:
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(runs):
        start = clock()
        run()
        times.append(1000 * (clock() - start))
    first, median, third = np.percentile(times, (25, 50, 75))
    return measurements_lib.Times(
        median_ms=round(float(median), 4),
        quartiles_ms=(round(float(first), 4), round(float(third), 4)),
        minimum_ms=round(min(times), 4),
        runs=runs,
    )
