"""Profiles TensorFlow calls and adds up the time of each operation."""

import collections
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_SHOWN = 16
# Level of the profiler. The default leaves out operations that it finds cheap.
_CHEAP_TOO = 3
# Steps before the profile, for tracing and other work of first calls.
_UNTIMED = 2
# "path/of/the/node:Kind". A call of a function has no node, and the runtime's
# own spans have two colons.
_OPERATION = re.compile(r"\s*[^\s:][^:]*:(\w+)")
# Operations that only wait for the operations inside them.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Runs this number of steps and returns the seconds of each.
Run = Callable[[int], list[float]]


class Profile(NamedTuple):
    """The time and the operations of some steps.

    Attributes:
      steps: Number of steps.
      seconds: Total time of the steps while profiled, in seconds.
      times: Kind of operation -> seconds, added up over threads. Work that an
        operation leaves to helpers on other threads is not counted twice.
      counts: Kind of operation -> number of calls.
    """

    steps: int
    seconds: float
    times: collections.Counter[str]
    counts: collections.Counter[str]


def profile(run: Run, steps: int) -> Profile:
    """Profiles steps, after some that are not recorded.

    Args:
      run: Function that runs the steps.
      steps: Number of steps to record.
    """
    run(_UNTIMED)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(
            folder, tf.profiler.experimental.ProfilerOptions(_CHEAP_TOO)
        )
        seconds = sum(run(steps))
        tf.profiler.experimental.stop()
        return Profile(steps, seconds, *_read(pathlib.Path(folder)))


def markdown(profile: Profile) -> str:
    """A table of the longest operations, below the sum of all operations."""
    total = sum(profile.times.values())
    milliseconds = 1e3 / profile.steps
    lines = [
        f"{milliseconds * profile.seconds:.1f} ms a step while profiled; its "
        f"operations add up to {milliseconds * total:.1f} ms",
        "",
        "| operation | calls a step | ms a step | share |",
        "|---|--:|--:|--:|",
        *(
            f"| {name} | {profile.counts[name] // profile.steps:,} | "
            f"{milliseconds * time:.1f} | {time / total:.1%} |"
            for name, time in profile.times.most_common(_SHOWN)
        ),
    ]
    return "\n".join(lines) + "\n"


def _read(
    folder: pathlib.Path,
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Seconds and calls of each kind of operation in a profile."""
    # Not part of TensorFlow's interface: this is its place in 2.15.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    for path in folder.rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            if not plane.name.startswith("/host:CPU"):
                continue
            for event in (e for line in plane.lines for e in line.events):
                name = plane.event_metadata[event.metadata_id].name
                found = _OPERATION.fullmatch(name)
                if found and found.group(1) not in _CALLS:
                    times[found.group(1)] += event.duration_ps / 1e12
                    counts[found.group(1)] += 1
    return times, counts
