"""HAT, BigNAS and AutoFormer in one space, on one data set, under one budget.

Each supernet is trained by its own method and searched by its own rule, and the
subnet found is trained from scratch as well (supplementary material, the table
of methods).
"""

import dataclasses
import pathlib
import statistics as statistics_lib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tf_autoformer import errors
from tf_autoformer.evolution import algorithm
from tf_autoformer.latency import bound
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost
from tf_autoformer.studies import plots, supernets, table, work
from tf_autoformer.studies import study as study_lib
from tf_autoformer.studies import tasks as tasks_lib

Architecture = architecture_lib.Architecture
_SPLITS = ("validation", "test")
_BOUND = (bound.COST.name,)


class System(NamedTuple):
    """A system of one-shot search.

    Attributes:
      method: Method that trains its supernet. See `experiment.methods`.
      search: Rule by which it searches.
      by_latency: Whether its budget is latency, not parameters or MACs.
      paper: The paper's figures of it in the small space: accuracies inherited
        and retrained, parameters, FLOPs and GPU days.
    """

    method: str
    search: algorithm.EvolutionConfig
    by_latency: bool
    paper: tuple[str, ...]


# HAT comes last: its budget is the latency of AutoFormer's subnet.
SYSTEMS = {
    "AutoFormer": System(
        "autoformer",
        algorithm.EvolutionConfig(),
        False,
        ("81.7%", "81.7%", "22.9 M", "4.9 G", "32"),
    ),
    "BigNAS": System(
        "bignas",
        algorithm.EvolutionConfig(driver="coarse_to_fine", population=200),
        False,
        ("76.7%", "80.6%", "22.9 M", "4.9 G", "72"),
    ),
    "HAT": System(
        "autoformer",
        algorithm.EvolutionConfig(
            population=125,
            generations=30,
            parents=25,
            crossovers=50,
            mutations=50,
            depth_probability=0.3,
            layer_probability=0.3,
        ),
        True,
        ("80.5%", "81.2%", "22.8 M", "5.0 G", "50"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Row:
    """What a system found, a value for each seed.

    Attributes:
      subnets: Subnets found.
      inherited: Results with inherited weights.
      retrained: Results of training from scratch.
      searches: Results of the searches.
    """

    subnets: Sequence[Architecture]
    inherited: Sequence[tasks_lib.Result]
    retrained: Sequence[tasks_lib.Result]
    searches: Sequence[tasks_lib.Result]


def run(
    study: study_lib.Study,
    latency: pathlib.Path | None,
    search: str = "compare",
    systems: Mapping[str, System] = SYSTEMS,
) -> list[str]:
    """Compares the systems.

    Writes `comparison.md`, `.csv`, `.json` and `.png`.

    Args:
      study: Supernets and folder. They were trained by AutoFormer's method, and
        tell recipe, seeds and data of the others.
      latency: File of latencies that `measure` made.
      search: Beginning of the names of the searches, SEARCH_SYSTEM. They are
        in the working folders of the supernets.
      systems: Systems to compare.

    Returns:
      Lines of `comparison.md`.

    Raises:
      InputError: There is no budget, no latencies, or a task cannot be done.
    """
    if not study.ranges:
        raise errors.InputError(
            "max_params is not given; a comparison needs a budget: it or "
            "max_macs"
        )
    if latency is None:
        raise errors.InputError(
            "latency is not given; HAT's search needs a file that `measure` "
            "makes"
        )
    study.require_one_group()
    method = supernets.trainable(study.experiment).training.method
    if method != "autoformer":
        raise errors.InputError(
            f"supernets has the method {method}; a comparison needs supernets "
            "of the method autoformer"
        )
    experiment = study.experiment
    measured = bound.read(latency, experiment.model, experiment.space, _BOUND)
    study.claim("comparison", latency=measured.digest, search=search)
    roots = _supernets(study, systems)
    rows: dict[str, Row] = {}
    for name, system in systems.items():
        budgets = [study.ranges] * len(study.groups[0].members)
        if system.by_latency:
            budgets = [
                {bound.COST.name: constraint.Range(None, each["latency_ms"])}
                for each in next(iter(rows.values())).searches
            ]
        rows[name] = _searched(
            study,
            name,
            f"{search}_{name}",
            system,
            roots[system.method],
            budgets,
            latency,
        )
    return _write(study, systems, rows)


def _supernets(
    study: study_lib.Study, systems: Mapping[str, System]
) -> dict[str, list[pathlib.Path]]:
    """The working folders of each method's supernets, which are trained."""
    members = study.groups[0].members
    roots = {"autoformer": [each.workdir.root for each in members]}
    tasks = []
    for method in {each.method for each in systems.values()} - {*roots}:
        names = [f"{method}_{number + 1}" for number in range(len(members))]
        roots[method] = [study.root(name) for name in names]
        tasks += [
            study.training(
                name,
                dataclasses.replace(
                    member.experiment,
                    training=dataclasses.replace(
                        member.experiment.training, method=method
                    ),
                ),
                [member.experiment.space.largest],
            )
            for name, member in zip(names, members, strict=True)
        ]
    study.tasks.results(tasks)
    return roots


def _searched(
    study: study_lib.Study,
    name: str,
    search: str,
    system: System,
    roots: Sequence[pathlib.Path],
    budgets: Sequence[Mapping[str, constraint.Range]],
    latency: pathlib.Path,
) -> Row:
    """Searches the supernets of a system, and retrains what is found."""
    members = study.groups[0].members
    names = [f"{name} {number + 1}" for number in range(len(members))]
    searches = study.tasks.results(
        [
            tasks_lib.Task(
                f"search {each}",
                work.search,
                (root, search, system.search, budget, latency, study.data_dir),
            )
            for each, root, budget in zip(names, roots, budgets, strict=True)
        ]
    )
    subnets = [
        Architecture.from_dict(each["architecture"]) for each in searches
    ]
    inherited = [
        study.evaluation(root, [subnet], each)
        for each, root, subnet in zip(names, roots, subnets, strict=True)
    ]
    retrained = [
        study.training(
            f"retrained_{each.replace(' ', '_')}",
            supernets.alone(member.experiment, subnet),
            [subnet],
        )
        for each, member, subnet in zip(names, members, subnets, strict=True)
    ]
    results = study.tasks.results([*inherited, *retrained])
    return Row(subnets, results[: len(names)], results[len(names) :], searches)


def _write(
    study: study_lib.Study,
    systems: Mapping[str, System],
    found: Mapping[str, Row],
) -> list[str]:
    """Writes the files, and returns the lines."""
    rows = [[name, *_cells(study, row)] for name, row in found.items()]
    lines = table.markdown(_COLUMNS, rows)
    seeds = len(study.groups[0].members)
    lines += [
        "",
        f"Accuracies are over the images of all {seeds} seeds, and other "
        "figures are means. Each seed has a search and a subnet of its own. "
        "Minutes are those of one process on its share of the cores, and of "
        "supernets that were trained before on all cores. HAT and AutoFormer "
        "share their supernets. HAT's budget is the predicted "
        "latency of AutoFormer's subnet of the same seed. To measure latencies "
        "is not among its minutes.",
        "",
        *table.markdown(
            [table.Column(title, "") for title in _PAPER],
            [[name, *each.paper] for name, each in systems.items()],
        ),
        "",
        "The paper's figures are of its small space on ImageNet.",
    ]
    more = {
        "subnets": {
            name: [each.to_dict() for each in row.subnets]
            for name, row in found.items()
        },
        "seeds": {
            name: {
                kind: [
                    {s: supernets.pooled([one], s)[0] for s in _SPLITS}
                    for one in getattr(row, kind)
                ]
                for kind in ("inherited", "retrained")
            }
            for name, row in found.items()
        },
    }
    table.write(study.folder, "comparison", _COLUMNS, rows, lines, more)
    points = {
        f"{name}, {kind}": [
            supernets.pooled([one], "test")[0] for one in getattr(row, kind)
        ]
        for name, row in found.items()
        for kind in ("inherited", "retrained")
    }
    plots.save(
        study.folder / "comparison.png",
        plots.dots(
            points, "test accuracy of the subnet found", "Systems of search"
        ),
    )
    return lines


_PAPER = (
    *("the paper", "inherited", "retrained", "parameters", "FLOPs"),
    "GPU days",
)
_COLUMNS = (
    table.Column("system", "system"),
    table.Column("inherited, validation", "inherited_validation", ".2%"),
    table.Column("test", "inherited_test", ".2%"),
    table.Column("retrained, validation", "retrained_validation", ".2%"),
    table.Column("test", "retrained_test", ".2%"),
    *(table.Column(each.help, each.name, ",.0f") for each in cost.COSTS),
    table.Column("ms predicted", "latency_ms", ".3f"),
    table.Column("candidates", "candidates", ",.0f"),
    table.Column("minutes: supernet", "supernet_minutes", ".1f"),
    table.Column("search", "search_minutes", ".1f"),
    table.Column("retraining", "retraining_minutes", ".1f"),
)


def _cells(study: study_lib.Study, row: Row) -> list[float]:
    """The figures of a system, as `_COLUMNS` has them."""
    mean = statistics_lib.mean
    model = study.experiment.model
    return [
        *(
            supernets.pooled(results, split)[0]
            for results in (row.inherited, row.retrained)
            for split in _SPLITS
        ),
        *(
            mean(each.measure(model, subnet) for subnet in row.subnets)
            for each in cost.COSTS
        ),
        *(
            mean(each[name] for each in row.searches)
            for name in ("latency_ms", "candidates")
        ),
        *(
            _minutes([each["seconds"] for each in results])
            for results in (row.inherited, row.searches, row.retrained)
        ),
    ]


def _minutes(seconds: Sequence[float | None]) -> float | None:
    """The mean in minutes. None: not all of it is known."""
    return statistics_lib.mean(seconds) / 60 if all(seconds) else None
