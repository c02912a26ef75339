"""The cases of training and evaluation on a GPU, against the official code."""

import dataclasses
import operator
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence

from benchmarks import cases as cases_lib
from benchmarks import comparison, table
from tf_autoformer.space import sampling, search_space

CASES = ("train", "forward", "update", "first_step", "memory")
_SPEEDUPS = {("train", "tiny", "bfloat16"): 4.0}  # All others: 3×.
_SPEEDUP = 3.0
_PEAK_SHARE = 0.2
_UPDATE_SHARE = 0.05
_FIRST_STEP_SECONDS = 60
_CACHED_FIRST_STEP_SECONDS = 20

Row = table.Row
Target = table.Target


def turns(cases: Sequence[str], rounds: int) -> int:
    """The number of turns of a subject, which the referee counts."""
    timed = set(cases) & {"train", "forward", "update"}
    return rounds * len(timed | {"train", "peak"}) + 2


def measure(
    subject: comparison.Subject,
    cases: Sequence[str],
    referee: comparison.Referee,
    report: Callable[[Row], None],
) -> str:
    """Measures both sides on one card, one turn after the other.

    All architectures have the largest embedding dimension. Otherwise the
    programs of the forward pass and of the update would take most of the time,
    as XLA compiles them for each dimension.

    Args:
      subject: Supernet to measure.
      cases: Some of `CASES`.
      referee: Referee of the turns.
      report: Function that takes each row as soon as it is measured.

    Returns:
      The card, and the other side's version of PyTorch.
    """
    space = dataclasses.replace(
        subject.space, embed_dims=subject.space.embed_dims[-1:]
    )
    rng = random.Random(subject.seed)
    drawn = [
        sampling.uniform(space, rng)
        for _ in range(subject.rounds * subject.steps)
    ]
    sizes = [subnet.to_dict() for subnet in _all_sizes(space)]
    with tempfile.TemporaryDirectory() as cache:
        referee.begin(f"first step, {subject}")
        starts = [lambda: subject.ours(cache), subject.official]
        began = [time.perf_counter()]
        with starts[0]() as ours:
            first = [_first_step(ours, sizes[0], began[0])]
            began.append(time.perf_counter())
            with starts[1]() as official:
                first.append(_first_step(official, sizes[0], began[1]))
                workers = (ours, official)
                for process in workers:
                    process.ask("train", architectures=sizes)
                referee.end_round()
                machine = ", ".join(p.ask("describe")[0] for p in workers)
                _compare(subject, cases, referee, report, workers, drawn)
        if "first_step" in cases:
            referee.begin(f"first step again, {subject}")
            start = time.perf_counter()
            with subject.ours(cache) as ours:
                again = _first_step(ours, sizes[0], start)
            for row in _first_steps(subject, first, again):
                report(row)
        referee.end_round()
    return machine


def _all_sizes(
    space: search_space.SearchSpace,
) -> list[comparison.Architecture]:
    """Architectures that have each depth and each size of a part."""
    largest = [
        dataclasses.replace(space, depths=(depth,)).largest
        for depth in reversed(space.depths)
    ]
    count = max(len(space.num_heads), len(space.mlp_ratios))
    kinds = [
        dataclasses.replace(
            space,
            num_heads=(space.num_heads[index % len(space.num_heads)],),
            mlp_ratios=(space.mlp_ratios[index % len(space.mlp_ratios)],),
        ).largest
        for index in range(count)
    ]
    return [*largest, *kinds]


def _first_step(
    process: comparison.worker.Worker, architecture: object, start: float
) -> float:
    """Seconds from the start of a process to the end of its first step."""
    process.ask("prepare")
    process.ask("train", architectures=[architecture])
    return time.perf_counter() - start


def _compare(
    subject: comparison.Subject,
    cases: Sequence[str],
    referee: comparison.Referee,
    report: Callable[[Row], None],
    workers: cases_lib.Workers,
    drawn: Sequence[comparison.Architecture],
) -> None:
    """The rows of the processes that have taken their first steps."""
    encoded = [subnet.to_dict() for subnet in drawn]
    requests = [
        {
            "architectures": encoded[start : start + subject.steps],
            "together": True,
        }
        for start in range(0, len(drawn), subject.steps)
    ]
    referee.begin(f"peak, {subject}")
    peaks = cases_lib.matrix_peaks(subject, referee, workers)
    times = {}
    for case, passes in cases_lib.PASSES.items():
        if case not in cases and case == "forward":
            continue
        referee.begin(f"{case}, {subject}")
        for process in workers:  # Forward passes compile programs of their own.
            if case == "forward":
                process.ask(case, architectures=encoded)
        times[case] = referee.alternate(case, workers, [requests] * 2)
        row = _speed(case, passes, subject, times[case], peaks, drawn)
        if case in cases:
            report(row)
    if "update" in cases:
        referee.begin(f"update, {subject}")
        report(_update(subject, referee, workers, times["train"]))
    if "memory" in cases:
        # What tensors took, as each side counts.
        peaks = [process.ask("memory")[0] for process in workers]
        report(table.memory(subject, peaks, "GiB"))


def _speed(
    case: str,
    passes: int,
    subject: comparison.Subject,
    times: list[list[float]],
    peaks: Sequence[float],
    drawn: Sequence[comparison.Architecture],
) -> Row:
    """Training steps or forward passes, one after the other."""
    ratio = statistics.median(map(operator.truediv, *reversed(times)))
    flop = [passes * subject.flop(subnet) for subnet in drawn]
    turns = range(0, len(drawn), subject.steps)
    means = [
        statistics.mean(flop[start : start + subject.steps]) for start in turns
    ]
    shares = [
        statistics.median(
            mean / side[start] / max(peaks)
            for mean, start in zip(means, turns, strict=True)
        )
        for side in times
    ]
    aim = _SPEEDUPS.get((case, subject.model, subject.precision), _SPEEDUP)
    targets = [Target(f"≥ {aim:g}×", ratio >= aim)]
    if (case, subject.model, subject.precision) == (
        "train",
        "small",
        "bfloat16",
    ):
        met = shares[0] >= _PEAK_SHARE
        targets.append(Target(f"share ≥ {_PEAK_SHARE:.0%}", met))
    row = table.timed(case, subject, times, ratio, targets, peaks=peaks)
    return row._replace(shares=shares)


def _update(
    subject: comparison.Subject,
    referee: comparison.Referee,
    workers: cases_lib.Workers,
    steps: list[list[float]],
) -> Row:
    """The optimizer alone, for the largest subnet."""
    request = {
        "architecture": subject.space.largest.to_dict(),
        "count": subject.steps,
    }
    times = referee.alternate(
        "update", workers, [[request] * subject.rounds] * 2
    )
    ratio = statistics.median(times[1]) / statistics.median(times[0])
    share = statistics.median(times[0]) / statistics.median(steps[0])
    target = Target(f"≤ {_UPDATE_SHARE:.0%} of a step", share <= _UPDATE_SHARE)
    row = table.timed("update", subject, times, ratio, [target], share=share)
    return row._replace(ours=f"{row.ours}, {share:.1%} of a step")


def _first_steps(
    subject: comparison.Subject, first: Sequence[float], again: float
) -> list[Row]:
    """The first step without and with programs in `--compile_cache`."""
    return [
        table.timed(
            case,
            subject,
            [[ours], [first[1]]],
            first[1] / ours,
            [Target(f"ours ≤ {aim} s", ours <= aim)],
        )
        for case, ours, aim in (
            ("first_step", first[0], _FIRST_STEP_SECONDS),
            ("first_step, cached", again, _CACHED_FIRST_STEP_SECONDS),
        )
    ]
