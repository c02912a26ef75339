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
      name: The fields in which it differs from the first group, in words. That
        of the first group is "supernet".
      members: Supernets of the group.
    """

    name: str
    members: tuple[Supernet, ...]

    @property
    def experiment(self) -> experiment_lib.Experiment:
        """The experiment of the first supernet."""
        return self.members[0].experiment


def read(folders: Sequence[str]) -> list[Group]:
    """Reads the supernets of a study.

    Args:
      folders: Their working folders. All have the same search space.

    Returns:
      Groups, in the order in which their first folder comes.

    Raises:
      InputError: A folder holds no trained supernet, one is given twice, the
        search spaces differ, or groups have different numbers of supernets.
    """
    from tf_autoformer.experiment import weights

    found = []
    for folder in folders:
        workdir = workdir_lib.Workdir(pathlib.Path(folder).expanduser())
        workdir.require_supernet()
        found.append(
            Supernet(workdir, weights.latest_step(workdir.checkpoints))
        )
    if not found:
        raise errors.InputError(
            "supernets is not given; it must be the working folder of a "
            "supernet, or of several that are separated by commas"
        )
    places = [each.workdir.root.resolve() for each in found]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise errors.InputError(
                f"supernets has {folders[number]} twice; each must be another"
            )
    _require_same_space(found)
    kinds: dict[str, list[Supernet]] = {}
    for each in found:
        kinds.setdefault(repr(_kind(each)), []).append(each)
    groups = list(kinds.values())
    for members in groups[1:]:
        if len(members) != len(groups[0]):
            raise errors.InputError(
                f"supernets has {len(groups[0])} like {folders[0]} and "
                f"{len(members)} like {members[0].workdir.root}; their numbers "
                "must be equal"
            )
    first = _kind(groups[0][0])
    return [
        Group(_name(_kind(members[0]), first), tuple(members))
        for members in groups
    ]


def _require_same_space(found: Sequence[Supernet]) -> None:
    first = found[0].experiment.space
    for each in found[1:]:
        if each.experiment.space != first:
            raise errors.InputError(
                f"supernets has {each.workdir.root} with the search space "
                f"{each.experiment.space.describe()}; it must be that of "
                f"{found[0].workdir.root}, {first.describe()}"
            )


def _kind(supernet: Supernet) -> dict[str, Any]:
    """Everything that decides a supernet, but for seed and data.

    Weights of step 0 are from elsewhere.
    """
    values = supernet.experiment.to_dict()
    del values["dataset"]
    if values["training"] is not None:
        del values["training"]["seed"]
    return {**dict(workdir_lib.flat(values)), "imported": supernet.step == 0}


def _name(kind: dict[str, Any], first: dict[str, Any]) -> str:
    """What tells a kind from the first one."""
    return (
        ", ".join(
            f"{name.rpartition('.')[2]} {kind[name]}"
            for name in kind
            if kind[name] != first.get(name)
        )
        or "supernet"
    )


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
