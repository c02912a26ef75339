r"""Prints where the time or the memory of a step goes.

  python -m benchmarks.profile_step --model=small --precision=bfloat16
  python -m benchmarks.profile_step --case=inference --batch_size=1 --threads=1

Every case except memory prints a table of operations. Memory prints a table of
the resident memory after each stage of training.
"""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import comparison, inference, operations, ours, worker
from tf_autoformer import binary, errors, rules
from tf_autoformer.supernet import parallel

_CASES = ("train", "forward", "update", "inference", "memory")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the profile.

    Attributes:
      case: Case to profile. train: a training step of the largest subnet.
        forward: its logits, as for a candidate of the search. update: the
        optimizer alone, for the largest and the smallest subnet. inference:
        the exported published subnet. memory: the resident memory, stage by
        stage of training.
      model: Search space of the supernet.
      precision: Precision of the matrix products.
      batch_size: Number of images in a step.
      steps: Number of steps to profile.
      threads: Number of threads of an operation, and of operations that run
        at the same time. Only for inference. Default: TensorFlow's choice.
    """

    case: str = rules.field("train", choices=_CASES)
    model: str = rules.field("tiny", choices=comparison.MODELS)
    precision: str = rules.field("float32", choices=("float32", "bfloat16"))
    batch_size: int = rules.field(16, lower_bound=1)
    steps: int = rules.field(4, lower_bound=1)
    threads: int | None = rules.field(None, lower_bound=1)


def main(options: Options) -> None:
    """Profiles a case, and prints a table for each of its subnets."""
    subject = comparison.Subject(
        options.model,
        options.precision,
        options.batch_size,
        1,
        options.steps,
        0,
    )
    if options.case == "inference":
        _inference(options, subject)
        return
    if options.threads:
        raise errors.InputError(
            f"threads is {options.threads}; it must not be given for "
            f"{options.case}"
        )
    parallel.use_cores()
    if options.case == "memory":
        _memory(subject)
    else:
        _supernet(options, subject)


def _supernet(options: Options, subject: comparison.Subject) -> None:
    side = ours.Ours(subject)
    space = subject.space
    largest, smallest = space.largest.to_dict(), space.smallest.to_dict()
    if options.case == "update":
        _print(options, "largest", _repeated(side.updater(largest)))
        _print(options, "smallest", _repeated(side.updater(smallest)))
        return
    call = {"train": side.train, "forward": side.forward}[options.case]
    _print(options, "largest", lambda count: call([largest] * count))


def _repeated(call: Callable[[], Any]) -> operations.Run:
    return lambda count: worker.time_each(lambda _: call(), range(count))


def _inference(options: Options, subject: comparison.Subject) -> None:
    """Runs the export in this process, as `inference` does in one of its own.

    Raises:
      InputError: The precision is not the export's.
    """
    if options.precision != "float32":
        raise errors.InputError(
            f"precision is {options.precision}; it must be float32 for "
            "inference"
        )
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        inference.export(folder, subject.model)
        classify = inference.load(folder)
        shape = [subject.batch_size, *comparison.NETWORK.input_size, 3]
        images = np.random.default_rng(subject.seed).random(shape, np.float32)
        _print(options, "published", _repeated(lambda: classify(images)))


def _print(options: Options, subnet: str, run: operations.Run) -> None:
    result = operations.profile(run, options.steps)
    print(
        f"{options.case}, {options.model}, {options.precision}, batch "
        f"{options.batch_size}, {subnet} subnet: {operations.markdown(result)}"
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
    binary.run(main, Options)
