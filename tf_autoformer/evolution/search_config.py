"""What the folder of a search remembers: configuration, best and front."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.evolution import algorithm, candidates
from tf_autoformer.evolution import front as front_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import cost, parsing

Architecture = architecture_lib.Architecture


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """The configuration of a search, as its folder remembers it.

    Attributes:
      checkpoint_step: Training step of the supernet's weights.
      evolution: Parameters of Algorithm 2.
      constraint: Mapping of the names of costs to their ranges.
      sources: Digest of the measurements of each cost that is predicted.
    """

    checkpoint_step: int
    evolution: algorithm.EvolutionConfig
    constraint: Mapping[str, constraint_lib.Range]
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `load` reads."""
        evolution = dataclasses.asdict(self.evolution)
        # A search may go on for more generations than it was begun with.
        del evolution["generations"]
        return {
            "checkpoint_step": self.checkpoint_step,
            "evolution": evolution,
            "constraint": {
                name: dataclasses.asdict(allowed)
                for name, allowed in self.constraint.items()
            },
            "sources": self.sources,
        }

    @classmethod
    def load(cls, folder: workdir_lib.SearchFolder) -> "SearchConfig":
        """Reads the configuration of the search in `folder`.

        Raises:
          InputError: There is no search, or its configuration is not one of
            this program's.
        """
        if not folder.config.exists():
            raise errors.InputError(
                f"{folder.root} holds no search; run one first"
            )
        values = files.read_json(folder.config)
        with errors.about(
            f"{folder.config} is not a configuration of this program"
        ):
            # The first versions had no sources.
            *names, sources = [field.name for field in dataclasses.fields(cls)]
            parsing.fields("a search", values, names, [sources])
            ranges = parsing.mapping("constraint", values["constraint"])
            evolution = parsing.mapping("evolution", values["evolution"])
            return cls(
                parsing.typed(names[0], values[names[0]], int),
                parsing.config(
                    algorithm.EvolutionConfig, {**evolution, "generations": 1}
                ),
                {
                    name: parsing.config(constraint_lib.Range, ends)
                    for name, ends in ranges.items()
                },
                parsing.mapping(sources, values.get(sources, {})),
            )


def require_weights(folder: workdir_lib.SearchFolder, step: int) -> None:
    """Checks that the search in `folder` had the weights that are used now.

    Args:
      folder: Folder of the search.
      step: Training step of the weights that are used now.

    Raises:
      InputError: It had others, or there is no search.
    """
    found = SearchConfig.load(folder).checkpoint_step
    if found != step:
        raise errors.InputError(
            f"{folder.config} was made with the weights of step {found}, now "
            f"they are those of step {step}; search again with another --name "
            "and --version"
        )


def known_accuracy(
    workdir: workdir_lib.Workdir, architecture: Architecture, step: int
) -> float | None:
    """The validation accuracy that a search of these weights has measured.

    Args:
      workdir: Working folder of the supernet.
      architecture: Architecture of a subnet with inherited weights.
      step: Training step of the weights.

    Returns:
      The accuracy in [0, 1]. None if no search has measured it.
    """
    for path in sorted(workdir.root.glob("search/*/config.json")):
        folder = workdir.search(path.parent.name)
        with contextlib.suppress(errors.InputError):  # Of other weights.
            require_weights(folder, step)
            found = candidates.accuracy_of(folder.candidates, architecture)
            if found is not None:
                return found
    return None


def load_best(folder: workdir_lib.SearchFolder) -> Architecture | None:
    """The best architecture of the search in `folder`. None if there is none.

    Raises:
      InputError: The file is damaged.
    """
    if not folder.best.exists():
        return None
    return Architecture.load(folder.best)


def load_found(
    folder: workdir_lib.SearchFolder, count: int
) -> list[Architecture]:
    """The subnets to export: the best one, then others along the front.

    Args:
      folder: Folder of the search.
      count: Number of subnets. A smaller front has fewer, and a search that
        has no front has one.

    Returns:
      The architectures. Empty before the first generation.

    Raises:
      InputError: A file is damaged.
    """
    best = load_best(folder)
    if best is None or count == 1 or not folder.front.exists():
        return [] if best is None else [best]
    front = front_lib.spread(candidates.read_front(folder.front), count)
    others = [c.architecture for c in front if c.architecture != best]
    return [best, *others][:count]


def load_constraint(
    folder: workdir_lib.SearchFolder,
    experiment: experiment_lib.Experiment,
    costs: Sequence[cost.Cost] = cost.COSTS,
) -> constraint_lib.Constraint:
    """The constraint of the search in `folder`.

    Args:
      folder: Folder of the search.
      experiment: Experiment that made the supernet.
      costs: Costs that the constraint may bound.

    Raises:
      InputError: There is no search, or it bounds another cost.
    """
    ranges = SearchConfig.load(folder).constraint
    with errors.about(folder.config):
        return constraint_of(experiment, ranges, costs)


def constraint_of(
    experiment: experiment_lib.Experiment,
    ranges: Mapping[str, constraint_lib.Range],
    costs: Sequence[cost.Cost],
) -> constraint_lib.Constraint:
    """The constraint on an experiment's space.

    Args:
      experiment: Experiment that made the supernet.
      ranges: Mapping of the names of the bounded costs to their ranges.
      costs: Costs that the constraint may bound.

    Raises:
      InputError: Another cost is bounded.
    """
    named = {each.name: each for each in costs}
    for name in ranges:
        if name not in named:
            raise errors.InputError(
                f"the constraint bounds {name}; it can bound {', '.join(named)}"
            )
    return constraint_lib.Constraint(
        experiment.space,
        experiment.model,
        {named[name]: allowed for name, allowed in ranges.items()},
    )
