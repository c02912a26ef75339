"""What every study has: supernets, drawn subnets, a folder, and its tasks."""

import dataclasses
import pathlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.evolution import drawing, search_config
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost
from tf_autoformer.studies import supernets as supernets_lib
from tf_autoformer.studies import tasks as tasks_lib
from tf_autoformer.studies import work
from tf_autoformer.training import run_config

Architecture = architecture_lib.Architecture
# Failed draws in a row after which there seem to be no more subnets.
_ATTEMPTS = 5


@dataclasses.dataclass(frozen=True)
class Study:
    """What every study has.

    Attributes:
      groups: Supernets of the study. The first group is the one that is asked
        about. Others are compared with it.
      folder: Folder of the study and of all that it makes.
      tasks: Runs the study's tasks.
      ranges: Mapping of the name of each bounded cost to its range.
      seed: Seed of the draws.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      run: How trainings are run and shown.
    """

    groups: Sequence[supernets_lib.Group]
    folder: pathlib.Path
    tasks: tasks_lib.Tasks
    ranges: Mapping[str, constraint_lib.Range]
    seed: int
    data_dir: str | None
    run: run_config.RunConfig

    @property
    def experiment(self) -> experiment_lib.Experiment:
        """The experiment of the first supernet."""
        return self.groups[0].experiment

    def require_one_group(self) -> None:
        """Checks that there are no supernets to compare with.

        Raises:
          InputError: There are.
        """
        for other in self.groups[1:]:
            raise errors.InputError(
                f"supernets has {self.groups[0].name} and {other.name}, which "
                "were made in different ways; this study needs one kind"
            )

    def claim(self, what: str, **options: Any) -> None:
        """Binds the folder to this study, or checks that it is the same.

        Args:
          what: Name of the study.
          **options: Whatever else decides its results.

        Raises:
          InputError: The folder cannot be written, or belongs to another
            study.
        """
        wanted = {
            "what": what,
            "supernets": [
                [str(each.workdir.root.resolve()), each.step]
                for group in self.groups
                for each in group.members
            ],
            "ranges": {
                name: dataclasses.asdict(allowed)
                for name, allowed in self.ranges.items()
            },
            "seed": self.seed,
            **options,
        }
        path = self.folder / "config.json"
        files.require_writable(self.folder)
        if path.exists():
            workdir_lib.require_same(path, files.read_json(path), wanted)
        else:
            files.write_json(path, wanted)

    def draw(
        self,
        count: int,
        ranges: Mapping[str, constraint_lib.Range] | None = None,
        known: Sequence[Architecture] = (),
    ) -> list[Architecture]:
        """Draws different subnets.

        Args:
          count: Number of subnets.
          ranges: Allowed range of each bounded cost, by its name. None: that of
            the study.
          known: Subnets that are not drawn again.

        Raises:
          InputError: There are fewer.
        """
        constraint = search_config.constraint_of(
            self.experiment,
            self.ranges if ranges is None else ranges,
            cost.COSTS,
        )
        found = drawing.distinct(
            constraint, count, random.Random(self.seed), known, _ATTEMPTS
        )
        if len(found) < count:
            raise errors.InputError(
                f"subnets is too large: of {count} that are wanted with "
                f"{constraint}, only {len(found)} were found"
            )
        return found

    def by_supernet(
        self, results: Sequence[tasks_lib.Result]
    ) -> list[Sequence[tasks_lib.Result]]:
        """Results in parts that have one for each supernet of a group.

        Args:
          results: Results of tasks whose supernets change fastest.
        """
        size = len(self.groups[0].members)
        return [
            results[start : start + size]
            for start in range(0, len(results), size)
        ]

    def costs(self, subnet: Architecture) -> list[float]:
        """Parameters and MACs of a subnet."""
        model = self.experiment.model
        return [each.measure(model, subnet) for each in cost.COSTS]

    def evaluation(
        self,
        root: pathlib.Path,
        subnets: Sequence[Architecture],
        what: str = "",
    ) -> tasks_lib.Task:
        """The task to evaluate subnets of a trained supernet.

        Args:
          root: Working folder of the supernet.
          subnets: Subnets to evaluate, all different.
          what: Name of the evaluation, if the study has several of a supernet.
        """
        arguments = root, tuple(subnets), self.data_dir
        return tasks_lib.Task(
            f"evaluate {what or root}", work.evaluate, arguments
        )

    def training(
        self,
        name: str,
        experiment: experiment_lib.Experiment,
        subnets: Sequence[Architecture],
    ) -> tasks_lib.Task:
        """The task to train a supernet and evaluate subnets of it.

        Args:
          name: Name of the task and of its working folder.
          experiment: Supernet and its recipe.
          subnets: Subnets to evaluate, all different.
        """
        return tasks_lib.Task(
            name,
            work.train,
            (
                self.root(name),
                experiment,
                tuple(subnets),
                self.data_dir,
                self.run,
            ),
        )

    def root(self, name: str) -> pathlib.Path:
        """The working folder of a training."""
        return self.folder / "trainings" / name
