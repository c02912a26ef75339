r"""Makes the tables and pictures of docs/reproduction.md on the digits.

  python -m benchmarks.reproduction --output=runs/reproduction

Each step is a command that a user could type. The same command run again
continues where it stopped.
"""

import dataclasses
import datetime
import logging
import os
import pathlib
import shutil
import sys
import time
from typing import NamedTuple

from benchmarks import commands
from tf_autoformer import binary, errors, files, rules
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.supernet import cores

_LOGGER = logging.getLogger(__name__)
_FOLDS = (1, 2, 3)
_STUDIES = ("sample", "comparison", "ranking", "structure", "ablation")
_BUDGET = "--max_params=20e3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the reproduction.

    Attributes:
      output: Folder of supernets and studies.
      docs: Folder that gets the tables and pictures. Default: none does.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      jobs: Number of trainings at a time. Default: one for each core.
    """

    output: pathlib.Path
    docs: pathlib.Path | None = None
    data_dir: str | None = None
    jobs: int | None = rules.field(None, rules.at_least(1))


class Step(NamedTuple):
    """A step of the reproduction.

    Attributes:
      name: Name of the step.
      minutes: Time that it took on two cores, for the remaining time.
      command: Name of the binary and its flags. A step without one plants a
        fault in the supernet of this fold.
      fold: Number of the fold.
    """

    name: str
    minutes: float
    command: tuple[str, ...] = ()
    fold: int = 0


def main(options: Options) -> None:
    """Takes the steps that are left."""
    steps = _steps(options)
    left = [s for s in steps if not _stamp(options, s).exists()]
    start, minutes = time.monotonic(), 0.0
    for number, step in enumerate(steps, 1):
        if step not in left:
            continue
        rest = sum(each.minutes for each in left) - minutes
        if minutes:  # This machine has shown how fast it is.
            rest *= (time.monotonic() - start) / 60 / minutes
        _LOGGER.info(
            "step %d of %d: %s  ETA %s",
            *(number, len(steps), step.name),
            datetime.timedelta(minutes=round(rest)),
        )
        if step.command:
            _run(options, step)
        else:
            plant(
                workdir_lib.Workdir(options.output / f"fold_{step.fold}"),
                workdir_lib.Workdir(options.output / step.name),
                options.data_dir,
            )
        files.write_text(_stamp(options, step), "")
        minutes += step.minutes
    if options.docs is not None:
        options.docs.mkdir(parents=True, exist_ok=True)
        for study in _STUDIES:
            for path in sorted((options.output / study).glob("*")):
                if path.suffix in (".md", ".png"):
                    shutil.copy(path, options.docs)
                    print(options.docs / path.name)


def _stamp(options: Options, step: Step) -> pathlib.Path:
    """File that says that a step was taken."""
    return options.output / "done" / step.name


def _steps(options: Options) -> list[Step]:
    output = options.output

    def supernets(*kinds: str) -> str:
        return "--supernets=" + ",".join(
            str(output / f"{kind}{fold}") for kind in kinds for fold in _FOLDS
        )

    def study(name: str, *flags: str, what: str = "") -> tuple[str, ...]:
        jobs = f"--jobs={options.jobs or cores.available()}"
        return (
            *("analyze", f"--what={what or name}"),
            *(f"--output={output / name}", jobs, "--watched_subnets=0"),
            *flags,
        )

    def supernet(kind: str, fold: int, *flags: str) -> tuple[str, ...]:
        return (
            *("train", "--flagfile=flags/digits_narrow/supernet.flags"),
            *(f"--dataset=digits_folds/{fold}", f"--seed={fold}"),
            *(f"--workdir={output / kind}{fold}", *flags),
        )

    bignas = "comparison/trainings/bignas_"
    return [
        *(Step(f"fold_{n}", 1, supernet("fold_", n)) for n in _FOLDS),
        *(
            Step(f"long_{n}", 2, supernet("long_", n, "--epochs=180"))
            for n in _FOLDS
        ),
        *(Step(f"planted_{n}", 0.5, fold=n) for n in _FOLDS),
        Step("sample", 2, study("sample", supernets("fold_", "long_"))),
        Step(
            "latency",
            2,
            (
                *("measure", f"--workdir={output / 'fold_1'}"),
                *("--samples=60", f"--models={output / 'models'}"),
                f"--output={output / 'latency.jsonl'}",
            ),
        ),
        Step(
            "comparison",
            15,
            study(
                "comparison",
                supernets("fold_"),
                _BUDGET,
                f"--latency={output / 'latency.jsonl'}",
                what="compare",
            ),
        ),
        Step(
            "structure",
            0.3,
            (
                *("analyze", "--what=structure", supernets("fold_")),
                f"--output={output / 'structure'}",
                "--search=compare_AutoFormer",
            ),
        ),
        Step(
            "ranking",
            25,
            study("ranking", supernets("fold_", "long_", bignas, "planted_")),
        ),
        Step("ablation", 15, study("ablation", supernets("fold_"))),
    ]


def _run(options: Options, step: Step) -> None:
    """Runs the command of a step."""
    name, *flags = step.command
    command = [sys.executable, "-m", f"tf_autoformer.{name}", *flags]
    if options.data_dir is not None and name != "measure":
        command.append(f"--data_dir={options.data_dir}")
    print(" ".join(command[1:]), flush=True)
    # Preparing oneDNN's primitives takes longer than they save here.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    if commands.run(command, environment):
        raise errors.InputError(
            f"step {step.name} has failed; the same command continues with it"
        )


def plant(
    good: workdir_lib.Workdir, bad: workdir_lib.Workdir, data_dir: str | None
) -> None:
    """Makes a supernet whose last two blocks have their weights shuffled.

    Args:
      good: Working folder of the supernet as it was trained.
      bad: Working folder to make.
      data_dir: Folder of prepared data sets. None: TFDS's default.
    """
    import numpy as np
    import tensorflow as tf

    from tf_autoformer.experiment import weights

    trained = good.trained(tf.distribute.get_strategy(), data_dir)
    rng = np.random.default_rng(0)
    for block in trained.supernet.blocks[-2:]:
        for variable in block.trainable_variables:
            value = variable.numpy()
            variable.assign(rng.permutation(value.ravel()).reshape(value.shape))
    bad.claim(good.experiment, trained.dataset)
    weights.save(bad.checkpoints, trained.supernet)


if __name__ == "__main__":
    binary.run(main, Options)
