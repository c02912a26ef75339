"""The cases of training and evaluation, against the official code."""

import dataclasses
import operator
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import comparison, table, worker
from tf_autoformer.space import cost

Referee = comparison.Referee
Row = table.Row
Subject = comparison.Subject
Target = table.Target
Workers = Sequence[worker.Worker]  # Our process and the official code's.

# Cases that time one process of each side. Both processes are alive at once.
PAIRED = ("train", "forward", "update")
# Cases that start new processes, one after the other.
FRESH = ("first_step", "memory")
# Processes that each side starts for the case first_step.
STARTS = 3
# Random architectures that the case memory trains after the largest.
_MEMORY_STEPS = 5
# Matrix products of a turn for the peak.
_PEAK_PRODUCTS = 5
# A training step's backward pass costs two forward passes.
PASSES = {"train": 3, "forward": 1}

_SPEEDUPS = {"train": 2.5, "forward": 1.5}
_PEAK_SHARE = 0.35
_UPDATE_TOLERANCE = 0.15
_FIRST_STEP_SECONDS = 15


def measure(
    subject: Subject,
    cases: Sequence[str],
    referee: Referee,
    report: Callable[[Row], None],
) -> None:
    """Measures a row for each case.

    Args:
      subject: Supernet to measure.
      cases: Some of `PAIRED` and `FRESH`.
      referee: Referee of the turns.
      report: Function that takes each row as soon as it is measured.
    """
    if set(cases) & set(PAIRED):
        with subject.ours() as ours, subject.official() as official:
            workers = (ours, official)
            referee.begin(f"peak, {subject}")
            peaks = matrix_peaks(subject, referee, workers)
            for case in PASSES:
                if case in cases:
                    referee.begin(f"{case}, {subject}")
                    report(_speed(case, subject, referee, workers, peaks))
            if "update" in cases:
                referee.begin(f"update, {subject}")
                report(_update(subject, referee, workers))
    for case, fresh in (("first_step", _first_step), ("memory", _memory)):
        if case in cases:
            referee.begin(f"{case}, {subject}")
            report(fresh(subject, referee))


def matrix_peaks(
    subject: Subject, referee: Referee, workers: Workers
) -> list[float]:
    """FLOP per second of matrix products in each process."""
    requests = [{"count": _PEAK_PRODUCTS}] * subject.rounds
    times = referee.alternate("peak", workers, [requests] * 2)
    flop = 2 * worker.PEAK_SIZES[subject.device] ** 3
    return [flop / statistics.median(t) for t in times]


def _speed(
    case: str,
    subject: Subject,
    referee: Referee,
    workers: Workers,
    peaks: Sequence[float],
) -> Row:
    """Training steps or forward passes of random architectures.

    Both sides run the same architectures, whose cost varies. The ratio is the
    median over the architectures of the official code's time over ours.
    """
    space = subject.space
    for depth in space.depths:  # An untimed step traces each depth.
        subnet = dataclasses.replace(space, depths=(depth,)).largest
        for process in workers:
            process.ask(case, architectures=[subnet.to_dict()])
    drawn = subject.draw(subject.rounds * subject.steps)
    encoded = [subnet.to_dict() for subnet in drawn]
    requests = [
        {"architectures": encoded[start : start + subject.steps]}
        for start in range(0, len(drawn), subject.steps)
    ]
    times = referee.alternate(case, workers, [requests] * 2)
    ratio = statistics.median(
        theirs / ours for ours, theirs in zip(*times, strict=True)
    )
    flop = [PASSES[case] * subject.flop(subnet) for subnet in drawn]
    shares = [
        statistics.median(map(operator.truediv, flop, side)) / max(peaks)
        for side in times
    ]
    aim = _SPEEDUPS[case]
    targets = [Target(f"≥ {aim}×", ratio >= aim)]
    if case == "train" and subject.precision == "float32":
        met = shares[0] >= _PEAK_SHARE
        targets.append(Target(f"share ≥ {_PEAK_SHARE:.0%}", met))
    row = table.timed(case, subject, times, ratio, targets, peaks=peaks)
    return row._replace(shares=shares)


def _update(subject: Subject, referee: Referee, workers: Workers) -> Row:
    """The optimizer alone: our time for the smallest subnet over the largest.

    This ratio should equal the ratio of the two subnets' parameters. The other
    side is the official optimizer's time for the largest subnet.
    """
    smallest, largest = subject.space.smallest, subject.space.largest

    def requests(subnet: comparison.Architecture) -> list[dict[str, Any]]:
        request = {"architecture": subnet.to_dict(), "count": subject.steps}
        return [request] * subject.rounds

    ours, official = workers
    *times, of_smallest = referee.alternate(
        "update",
        [ours, official, ours],
        [requests(largest), requests(largest), requests(smallest)],
    )
    share = statistics.median(of_smallest) / statistics.median(times[0])
    params = cost.params(comparison.NETWORK, smallest) / cost.params(
        comparison.NETWORK, largest
    )
    met = abs(share / params - 1) <= _UPDATE_TOLERANCE
    target = Target(f"within {_UPDATE_TOLERANCE:.0%}", met)
    row = table.timed(
        "update", subject, times, share, [target], smallest=of_smallest
    )
    return row._replace(
        ours=f"largest {row.ours}, smallest {table.median(of_smallest)}",
        other=f"largest {row.other}",
        ratio=f"{share:.2f} for {params:.2f} of the parameters",
    )


def _first_step(subject: Subject, referee: Referee) -> Row:
    """Time from a process's start to the loss of its first training step."""
    times: list[list[float]] = [[], []]
    architectures = [subnet.to_dict() for subnet in subject.draw(1)]
    for _ in range(STARTS):
        for side, start in enumerate((subject.ours, subject.official)):
            began = time.perf_counter()
            with start() as process:
                process.ask("train", architectures=architectures)
                times[side].append(time.perf_counter() - began)
        referee.end_round()
    ours, official = map(statistics.median, times)
    targets = []
    if subject.model == "tiny":
        text = f"ours ≤ {_FIRST_STEP_SECONDS} s"
        targets.append(Target(text, ours <= _FIRST_STEP_SECONDS))
    return table.timed("first_step", subject, times, official / ours, targets)


def _memory(subject: Subject, referee: Referee) -> Row:
    """Peak resident memory of a process after some training steps."""
    subnets = [subject.space.largest, *subject.draw(_MEMORY_STEPS)]
    architectures = [subnet.to_dict() for subnet in subnets]
    peaks = []
    for start in (subject.ours, subject.official):
        with start() as process:
            process.ask("train", architectures=architectures)
            peaks.append(process.peak_memory())
    referee.end_round()
    return table.memory(subject, peaks)
