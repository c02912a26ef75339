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
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import table
from tf_autoformer import binary, errors, progress, rules
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib

_LOGGER = logging.getLogger(__name__)
_HEADER = ("seed", "weights", "validation", "test")
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
    print(f"| {' | '.join(_HEADER)} |")
    print("|---|---|--:|--:|")
    for seed, weights, *accuracies in rows:
        print(_line(str(seed), weights, *accuracies))
    for kind in dict.fromkeys(weights for _, weights, *_ in rows):
        validation, test = (
            statistics.mean(row[place] for row in rows if row[1] == kind)
            for place in (2, 3)
        )
        print(_line("mean", kind, validation, test))
    print()
    print(table.provenance("python -m benchmarks.finetuning"))


def _line(seed: str, weights: str, validation: float, test: float) -> str:
    return f"| {seed} | {weights} | {validation:.2%} | {test:.2%} |"


def _rows(options: Options) -> Iterator[tuple[int, str, float, float]]:
    """Seed, weights, and accuracy on the validation and on the test split."""
    subnet = architecture_lib.Architecture.load(options.architecture)
    supernet = workdir_lib.Workdir(options.supernet)
    inherited = _accuracies(supernet, subnet, options.data_dir)
    done, total = 0, options.seeds * len(_TRAININGS)
    with progress.Meter(0, total, "trainings", "fine-tuning") as meter:
        for seed in range(options.seeds):
            yield seed, "inherited", *inherited
            for weights, flags in _TRAININGS.items():
                workdir = workdir_lib.Workdir(
                    options.output / f"{weights}_{seed}"
                )
                _train(options, workdir, flags, seed)
                yield (
                    seed,
                    weights,
                    *_accuracies(workdir, subnet, options.data_dir),
                )
                done += 1
                meter.advance(done)
                if meter.in_lines:
                    _LOGGER.info(meter.line(done))


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
    if subprocess.run(command, check=False).returncode:
        raise errors.InputError(f"a training failed: {' '.join(command)}")


def _accuracies(
    workdir: workdir_lib.Workdir,
    subnet: architecture_lib.Architecture,
    data_dir: str | None,
) -> tuple[float, float]:
    """Accuracy on the validation and on the test split."""
    import tensorflow as tf

    from tf_autoformer.evaluation import standalone
    from tf_autoformer.supernet import subnet as subnet_lib

    trained = workdir.trained(tf.distribute.get_strategy(), data_dir)
    network = subnet_lib.inherit(trained.supernet, subnet)
    validation, test = (
        standalone.evaluate(network, trained.dataset, split, 256).top_1
        for split in ("validation", "test")
    )
    return validation, test


if __name__ == "__main__":
    binary.run(main, Options)
