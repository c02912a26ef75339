"""The supernets of a study: groups that differ only in seed and data."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tf_autoformer import errors
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import search_space
from tf_autoformer.studies import tasks as tasks_lib

Architecture = architecture_lib.Architecture
_NAMED = 4  # Folders of a group that its name has in full.


@dataclasses.dataclass(frozen=True)
class Supernet:
    """A supernet that is trained.

    Attributes:
      workdir: Its working folder.
      step: Training step of its weights.
    """

    workdir: workdir_lib.Workdir
    step: int

    @property
    def experiment(self) -> experiment_lib.Experiment:
        """The experiment that made it."""
        return self.workdir.experiment


@dataclasses.dataclass(frozen=True)
class Group:
    """Supernets that were trained alike, with different seeds or data.

    Attributes:
      name: Names of the folders, different for each group.
      members: Supernets of the group.
    """

    name: str
    members: tuple[Supernet, ...]

    @property
    def experiment(self) -> experiment_lib.Experiment:
        """The experiment of the first supernet."""
        return self.members[0].experiment

    @property
    def datasets(self) -> list[str]:
        """The data set of each supernet."""
        return [each.experiment.dataset for each in self.members]

    def images(self, results: Sequence[tasks_lib.Result], split: str) -> int:
        """The number of different images that some results rest on.

        Args:
          results: Result of `work.evaluate` for each member, in their order.
          split: Split of the images.
        """
        sizes = {
            name: result["images"][split]
            for name, result in zip(self.datasets, results, strict=True)
        }
        return sum(sizes.values())


def read(folders: Sequence[str]) -> list[Group]:
    """Reads the supernets of a study.

    Args:
      folders: Their working folders. All have the same search space.

    Returns:
      Groups, in the order in which their first folder comes.

    Raises:
      InputError: A folder holds no trained supernet, one is given twice, the
        search spaces differ, or the groups have not the same data sets.
    """
    from tf_autoformer.experiment import weights

    found = []
    for folder in folders:
        workdir = workdir_lib.Workdir(pathlib.Path(folder).expanduser())
        workdir.require_supernet()
        found.append(
            Supernet(workdir, weights.latest_step(workdir.checkpoints))
        )
    places = [each.workdir.root.resolve() for each in found]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise errors.InputError(
                f"supernets has {folders[number]} twice; each must be another"
            )
    kinds: dict[str, list[Supernet]] = {}
    for each in found:
        _require_space(each, found[0])
        kinds.setdefault(repr(_kind(each)), []).append(each)
    groups = _named([*kinds.values()])
    for group in groups[1:]:
        if group.datasets != groups[0].datasets:
            raise errors.InputError(
                f"supernets has {group.name} with the data "
                f"{', '.join(group.datasets)}; they must be those of "
                f"{groups[0].name}, {', '.join(groups[0].datasets)}"
            )
    return groups


def _require_space(supernet: Supernet, first: Supernet) -> None:
    if supernet.experiment.space != first.experiment.space:
        raise errors.InputError(
            f"supernets has {supernet.workdir.root} with the search space "
            f"{supernet.experiment.space.describe()}; it must be that of "
            f"{first.workdir.root}, {first.experiment.space.describe()}"
        )


def _kind(supernet: Supernet) -> dict[str, Any]:
    """Everything that decides a supernet, but for seed and data.

    Weights of step 0 are from elsewhere.
    """
    values = supernet.experiment.to_dict()
    del values["dataset"]
    if values["training"] is not None:
        del values["training"]["seed"]
    return {**values, "imported": supernet.step == 0}


def _named(groups: Sequence[Sequence[Supernet]]) -> list[Group]:
    """The groups by the names of their folders, or by paths if these clash."""
    names = [[each.workdir.root.name for each in group] for group in groups]
    texts = [_listed(each) for each in names]
    if len(set(texts)) < len(texts):
        texts = [
            _listed([str(each.workdir.root) for each in group])
            for group in groups
        ]
    return [
        Group(text, tuple(group))
        for text, group in zip(texts, groups, strict=True)
    ]


def _listed(names: Sequence[str]) -> str:
    """The names, without those in the middle if there are many."""
    if len(names) > _NAMED:
        names = [names[0], "…", names[-1]]
    return ", ".join(names)


def trainable(
    experiment: experiment_lib.Experiment,
) -> experiment_lib.Experiment:
    """The experiment, if it tells how to train.

    Raises:
      InputError: It has no recipe, as its supernet was converted.
    """
    if experiment.training is None:
        raise errors.InputError(
            "supernets has one that was converted; it has no recipe by which "
            "others could be trained"
        )
    return experiment


def alone(
    experiment: experiment_lib.Experiment, subnet: Architecture
) -> experiment_lib.Experiment:
    """The experiment that trains one subnet from scratch by the same recipe.

    Its residuals are dropped as often as in the supernet, where the rate of a
    block grows over the supernet's depth.

    Args:
      experiment: Experiment of the supernet.
      subnet: Subnet to train.

    Raises:
      InputError: The supernet has no recipe, as it was converted.
    """
    model = trainable(experiment).model
    depth = experiment.space.allocated.depth
    rate = model.drop_path_rates(depth)[subnet.depth - 1]
    return dataclasses.replace(
        experiment,
        model=dataclasses.replace(model, drop_path=rate),
        space=search_space.containing(subnet),
        training=dataclasses.replace(experiment.training, method="autoformer"),
        architecture=subnet,
    )


def pooled(results: Sequence[tasks_lib.Result], split: str) -> list[float]:
    """The accuracy of each subnet over the images of all results.

    Args:
      results: Results of `work.evaluate` for the same subnets.
      split: Split of the images.
    """
    images = sum(each["images"][split] for each in results)
    counts = zip(*(each["right"][split] for each in results), strict=True)
    return [sum(right) / images for right in counts]
