"""Prints where the time of a training step goes, operation by operation.

python -m benchmarks.profile_step --model=small --precision=bfloat16
"""

import collections
import os
import pathlib
import tempfile

import tensorflow as tf
from absl import flags

from benchmarks import comparison, ours
from tf_autoformer import binary
from tf_autoformer.space import search_space
from tf_autoformer.training import parallel

FLAGS = flags.FLAGS
_SHOWN = 16
# What only waits for the operations within.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def define() -> None:
    """Defines the flags."""
    models = [n for n, s in search_space.SEARCH_SPACES.items() if s.published]
    flags.DEFINE_enum("model", "tiny", models, "The supernet.")
    flags.DEFINE_enum(
        "precision", "float32", ["float32", "bfloat16"], "Of the products."
    )
    flags.DEFINE_integer("batch_size", 16, "Images of a step.", lower_bound=1)
    flags.DEFINE_integer("steps", 4, "Steps to profile.", lower_bound=1)


def main() -> None:
    """Profiles steps of the largest subnet, and prints a table."""
    parallel.use_cores()
    subject = comparison.Subject(
        FLAGS.model, FLAGS.precision, FLAGS.batch_size, 1, 1, 0, ""
    )
    side = ours.Ours(subject)
    largest = [subject.space.largest.to_dict()]
    side.train(largest * 2)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        seconds = sum(side.train(largest * FLAGS.steps))
        tf.profiler.experimental.stop()
        times, counts = _by_operation(pathlib.Path(folder))
    cores = len(os.sched_getaffinity(0))
    total = sum(times.values())
    print(
        f"{FLAGS.model}, {FLAGS.precision}, batch {FLAGS.batch_size}, largest "
        f"subnet: {1e3 * seconds / FLAGS.steps:.0f} ms a step while profiled; "
        f"{total / seconds / cores:.0%} of {cores} cores in operations\n"
    )
    print("| operation | calls a step | core-ms a step | share |")
    print("|---|--:|--:|--:|")
    for name, time in times.most_common(_SHOWN):
        print(
            f"| {name} | {counts[name] // FLAGS.steps:,} | "
            f"{1e3 * time / FLAGS.steps:.1f} | {time / total:.1%} |"
        )


def _by_operation(
    folder: pathlib.Path,
) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Seconds and calls of each kind of operation in a profile."""
    # Where TensorFlow 2.15 has it; it is not part of its interface.
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
                # "path/of/the/node:Kind"; a function's call has no node.
                node, _, kind = name.rpartition(":")
                if node.strip() and kind.isidentifier() and kind not in _CALLS:
                    times[kind] += event.duration_ps / 1e12
                    counts[kind] += 1
    return times, counts


if __name__ == "__main__":
    binary.run(main, define)
