"""A study whose tasks are not done: a test says what they would find."""

import dataclasses
import pathlib

from tests.helpers import tiny
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.studies import study, supernets
from tf_autoformer.training import run_config

IMAGES = {"validation": 1000, "test": 500}


def result(accuracies, seconds=60.0):
    """The result of an evaluation with these accuracies on both splits."""
    right = {
        split: [round(each * count) for each in accuracies]
        for split, count in IMAGES.items()
    }
    return {"images": IMAGES, "right": right, "seconds": seconds}


class Tasks:
    """Answers tasks by a function.

    Attributes:
      done: Every task so far.
    """

    def __init__(self, answer):
        self._answer = answer
        self.done = []

    def results(self, tasks):
        """The function's answer to each task."""
        self.done += tasks
        return [self._answer(task) for task in tasks]


def group(root, name="supernet", seeds=(1, 2), **recipe):
    """Supernets in folders of these seeds, of which nothing is trained."""
    members = []
    for seed in seeds:
        workdir = workdir_lib.Workdir(root / f"{name} {seed}")
        experiment = dataclasses.replace(
            tiny.experiment(seed=seed, **recipe), model=tiny.DIGITS_MODEL
        )
        workdir.claim(experiment)
        members.append(supernets.Supernet(workdir, 9))
    return supernets.Group(name, tuple(members))


def make(root, answer, groups=None, **ranges):
    """A study in a folder.

    Args:
      root: Path of the folder.
      answer: Function from a task to its result.
      groups: Supernets. Default: one group of two seeds.
      **ranges: Range of each bounded cost.
    """
    root = pathlib.Path(root)
    return study.Study(
        groups or [group(root)],
        root / "study",
        Tasks(answer),
        ranges,
        0,
        None,
        run_config.RunConfig(),
    )
