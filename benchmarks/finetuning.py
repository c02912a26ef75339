r"""Compares inherited, fine-tuned and retrained accuracy of a digits subnet.

  python -m benchmarks.finetuning --supernet=runs/digits \
      --architecture=runs/digits/search/default/best.json \
      --output=runs/finetuning

Each seed has a working folder of its own for each of the two trainings, which
run as their commands. The same command run again continues there.
"""

import dataclasses
import logging
import pathlib
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import commands, table
from tf_autoformer import binary, errors, progress, rules
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib

_LOGGER = logging.getLogger(__name__)
# Weights -> flag file of their training.
_TRAININGS = {
    "fine-tuned": "flags/digits/finetune.flags",
    "retrained": "flags/digits/retrain.flags",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      supernet: Working folder of a digits supernet.
      architecture: JSON file of the subnet.
      output: Folder of the trainings.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      seeds: Number of seeds.
    """

    supernet: pathlib.Path
    architecture: pathlib.Path
    output: pathlib.Path
    data_dir: str | None = None
    seeds: int = rules.field(5, rules.at_least(1))


def main(options: Options) -> None:
    """Trains what is missing, and prints the table."""
    rows = list(_rows(options))
    kinds = ("inherited", *_TRAININGS)
    print(f"| seed | {' | '.join(kinds)} |")
    print(f"|---|{'---|' * len(kinds)}")
    for seed, row in enumerate(rows):
        print(_line(str(seed), row))
    means = [
        Accuracies(*map(statistics.mean, zip(*column, strict=True)))
        for column in zip(*rows, strict=True)
    ]
    print(_line("mean", means))
    print()
    print("Each pair is the accuracy on the validation and on the test split.")
    print()
    print(table.provenance("python -m benchmarks.finetuning"))


class Accuracies(NamedTuple):
    """Accuracy of a network on two splits.

    Attributes:
      validation: Accuracy on the validation split.
      test: Accuracy on the test split.
    """

    validation: float
    test: float


def _line(name: str, row: Sequence[Accuracies]) -> str:
    cells = [f"{each.validation:.2%}, {each.test:.2%}" for each in row]
    return f"| {name} | {' | '.join(cells)} |"


def _rows(options: Options) -> Iterator[list[Accuracies]]:
    """The accuracies of a seed: inherited, and after each training."""
    subnet = architecture_lib.Architecture.load(options.architecture)
    supernet = workdir_lib.Workdir(options.supernet)
    inherited = _accuracies(supernet, subnet, options.data_dir)
    done, total = 0, options.seeds * len(_TRAININGS)
    with progress.Meter(0, total, "trainings", "fine-tuning") as meter:
        for seed in range(options.seeds):
            row = [inherited]
            for weights, flags in _TRAININGS.items():
                folder = options.output / f"{weights}_{seed}"
                workdir = workdir_lib.Workdir(folder)
                _train(options, workdir, flags, seed)
                row.append(_accuracies(workdir, subnet, options.data_dir))
                done += 1
                meter.advance(done)
                if meter.in_lines:
                    _LOGGER.info(meter.line(done))
            yield row


def _train(
    options: Options, workdir: workdir_lib.Workdir, flags: str, seed: int
) -> None:
    """Runs a training to its end, if it is not there yet."""
    command = [
        *(sys.executable, "-m", "tf_autoformer.finetune"),
        *(f"--flagfile={flags}", f"--supernet={options.supernet}"),
        f"--architecture={options.architecture}",
        *(f"--workdir={workdir.root}", f"--seed={seed}"),
        "--strategy=one_device",
    ]
    if options.data_dir is not None:
        command.append(f"--data_dir={options.data_dir}")
    if commands.run(command):
        raise errors.InputError(f"a training failed: {' '.join(command)}")


def _accuracies(
    workdir: workdir_lib.Workdir,
    subnet: architecture_lib.Architecture,
    data_dir: str | None,
) -> Accuracies:
    """The accuracies of a subnet of a working folder."""
    import tensorflow as tf

    from tf_autoformer.evaluation import standalone
    from tf_autoformer.supernet import subnet as subnet_lib

    trained = workdir.trained(tf.distribute.get_strategy(), data_dir)
    network = subnet_lib.inherit(trained.supernet, subnet)
    validation, test = (
        standalone.evaluate(network, trained.dataset, split, 256).top_1
        for split in ("validation", "test")
    )
    return Accuracies(validation, test)


if __name__ == "__main__":
    binary.run(main, Options)
