r"""Prints where the time or the memory of a step goes.

  python -m benchmarks.profile_step --model=small --precision=bfloat16
  python -m benchmarks.profile_step --case=inference --batch_size=1 --threads=1

Every case except memory prints a table of operations. Memory prints a table of
the resident memory after each stage of training.
"""

import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks import comparison, inference, operations, ours, worker
from tf_autoformer import binary, errors
from tf_autoformer.space import search_space
from tf_autoformer.supernet import parallel

FLAGS = flags.FLAGS
_CASES = {
    "train": "a training step of the largest subnet",
    "forward": "the logits of the largest subnet, as in the search",
    "update": "the optimizer alone, for the largest and the smallest subnet",
    "inference": "the exported published subnet",
    "memory": "the resident memory after each stage of training",
}


def define() -> None:
    """Defines the flags."""
    models = [n for n, s in search_space.SEARCH_SPACES.items() if s.published]
    cases = " ".join(f'"{name}": {text}.' for name, text in _CASES.items())
    flags.DEFINE_enum("case", "train", list(_CASES), f"Case to run. {cases}")
    flags.DEFINE_enum("model", "tiny", models, "Supernet to profile.")
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "bfloat16"],
        "Precision of the matrix products.",
    )
    flags.DEFINE_integer("batch_size", 16, "Images per step.", lower_bound=1)
    flags.DEFINE_integer("steps", 4, "Steps to profile.", lower_bound=1)
    flags.DEFINE_integer(
        "threads",
        None,
        "Threads for inference, both inside an operation and between "
        "operations. Default: TensorFlow's choice.",
        lower_bound=1,
    )


def main() -> None:
    """Profiles a case and prints a table for each of its subnets."""
    subject = comparison.Subject(
        FLAGS.model, FLAGS.precision, FLAGS.batch_size, 1, FLAGS.steps, 0
    )
    if FLAGS.case == "inference":
        _inference(subject)
        return
    if FLAGS.threads:
        raise errors.InputError(
            f"threads is {FLAGS.threads}; it must not be given for {FLAGS.case}"
        )
    parallel.use_cores()
    if FLAGS.case == "memory":
        _memory(subject)
    else:
        _supernet(subject)


def _supernet(subject: comparison.Subject) -> None:
    side = ours.Ours(subject)
    space = subject.space
    largest, smallest = space.largest.to_dict(), space.smallest.to_dict()
    if FLAGS.case == "update":
        _print("largest", _repeated(side.updater(largest)))
        _print("smallest", _repeated(side.updater(smallest)))
        return
    call = {"train": side.train, "forward": side.forward}[FLAGS.case]
    _print("largest", lambda count: call([largest] * count))


def _repeated(call: Callable[[], Any]) -> operations.Run:
    return lambda count: worker.time_each(lambda _: call(), range(count))


def _inference(subject: comparison.Subject) -> None:
    """Runs the export as `inference` does, but in this process.

    Raises:
      InputError: The precision is not the export's.
    """
    if FLAGS.precision != "float32":
        raise errors.InputError(
            f"precision is {FLAGS.precision}; it must be float32 for inference"
        )
    if FLAGS.threads:
        tf.config.threading.set_intra_op_parallelism_threads(FLAGS.threads)
        tf.config.threading.set_inter_op_parallelism_threads(FLAGS.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        inference.export(folder, subject.model)
        classify = inference.load(folder)
        shape = [subject.batch_size, *comparison.NETWORK.input_size, 3]
        images = np.random.default_rng(subject.seed).random(shape, np.float32)
        _print("published", _repeated(lambda: classify(images)))


def _print(subnet: str, run: operations.Run) -> None:
    result = operations.profile(run, FLAGS.steps)
    print(
        f"{FLAGS.case}, {FLAGS.model}, {FLAGS.precision}, batch "
        f"{FLAGS.batch_size}, {subnet} subnet: {operations.markdown(result)}"
    )


def _memory(subject: comparison.Subject) -> None:
    print("| after | resident | highest so far |")
    print("|---|--:|--:|")

    def show(stage: str) -> None:
        now, highest = (
            f"{size / 2**20:,.0f} MiB" for size in worker.memory(os.getpid())
        )
        print(f"| {stage} | {now} | {highest} |", flush=True)

    show("the imports")
    side = ours.Ours(subject)
    show("weights and moments are made")
    largest = subject.space.largest.to_dict()
    side.trace(largest)
    show("a step is traced")
    side.train([largest])
    show("the first step, of the largest subnet")
    side.train([largest] * subject.steps)
    show(f"{subject.steps} more")
    side.train([subnet.to_dict() for subnet in subject.draw(subject.steps)])
    show(f"{subject.steps} of random subnets")


if __name__ == "__main__":
    binary.run(main, define)
