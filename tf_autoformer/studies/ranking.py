"""Do inherited weights rank subnets as training from scratch does?

The paper shows five subnets of about one size, which have the same order with
inherited weights and after training from scratch (supplementary material,
table 1). Here are as many subnets as wanted. Each is trained with the seed and
the data of each supernet, by the supernet's own recipe.
"""

import dataclasses
import functools
import math
import statistics as statistics_lib
from collections.abc import Mapping, Sequence

from tf_autoformer.evaluation import health
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost
from tf_autoformer.studies import plots, statistics, supernets, table
from tf_autoformer.studies import study as study_lib
from tf_autoformer.studies import tasks as tasks_lib

Architecture = architecture_lib.Architecture
Results = Sequence[tasks_lib.Result]

# Subnets are of about one size up to this difference in parameters.
_NEARNESS = 0.1
_SPLIT = "validation"


@dataclasses.dataclass(frozen=True)
class Subnets:
    """The subnets of the study.

    Attributes:
      all: Every subnet.
      params: Parameters of each.
      near: Places of those that differ by at most a tenth in parameters.
    """

    all: tuple[Architecture, ...]
    params: tuple[int, ...]
    near: tuple[int, ...]


def run(study: study_lib.Study, count: int) -> list[str]:
    """Ranks subnets by inherited weights and by training from scratch.

    Writes `ranking.md`, `.csv`, `.json` and `.png`.

    Args:
      study: Supernets and folder. Subnets are trained from scratch by the
        recipe of the first group.
      count: Number of subnets, at least 4.

    Returns:
      Lines of `ranking.md`.

    Raises:
      InputError: A task cannot be done.
    """
    subnets = draw(study, count)
    space = study.experiment.space
    evaluated = (*subnets.all, space.largest, space.smallest)
    members = study.groups[0].members
    scratch_tasks = [
        study.training(
            f"subnet_{place + 1}_{number}",
            supernets.alone(member.experiment, subnet),
            [subnet],
        )
        for place, subnet in enumerate(subnets.all)
        for number, member in enumerate(members, 1)
    ]
    tasks = [
        study.evaluation(member.workdir.root, evaluated)
        for group in study.groups
        for member in group.members
    ]
    study.claim("ranking", subnets=count)
    results = study.tasks.results([*tasks, *scratch_tasks])
    inherited = dict(
        zip(
            [group.name for group in study.groups],
            study.by_supernet(results[: len(tasks)]),
            strict=True,
        )
    )
    by_subnet = study.by_supernet(results[len(tasks) :])
    return _write(study, subnets, inherited, by_subnet)


def draw(study: study_lib.Study, count: int) -> Subnets:
    """Draws half of the subnets anywhere, and half near their median size.

    Size alone ranks subnets of different sizes. The second half tells what
    inherited weights know beyond it, as the paper's five subnets do.

    Args:
      study: Search space and ranges.
      count: Number of subnets.

    Raises:
      InputError: There are fewer.
    """
    params = functools.partial(cost.params, study.experiment.model)
    anywhere = study.draw(count - count // 2)
    middle = statistics_lib.median_low(map(params, anywhere))
    side = math.sqrt(1 + _NEARNESS)
    allowed = study.ranges.get(cost.PARAMS.name, constraint.Range())
    ends = constraint.Range(
        max(middle / side, allowed.minimum or 0),
        min(middle * side, allowed.maximum or math.inf),
    )
    near = study.draw(
        count // 2, {**study.ranges, cost.PARAMS.name: ends}, anywhere
    )
    chosen = (*anywhere, *near)
    sizes = tuple(map(params, chosen))
    return Subnets(
        chosen,
        sizes,
        tuple(n for n, each in enumerate(sizes) if not ends.violation(each)),
    )


@dataclasses.dataclass(frozen=True)
class Correlation:
    """How well a predictor ranks the subnets.

    Attributes:
      kendall: Kendall's τ.
      spearman: Spearman's ρ.
      near_kendall: Kendall's τ of the subnets of about one size.
      near_spearman: Spearman's ρ of the subnets of about one size.
    """

    kendall: statistics.Estimate
    spearman: statistics.Estimate
    near_kendall: statistics.Estimate
    near_spearman: statistics.Estimate


def correlation(
    predictor: Sequence[float],
    accuracies: Sequence[float],
    near: Sequence[int],
) -> Correlation:
    """Correlates a predictor with the accuracies from scratch.

    Args:
      predictor: Prediction for each subnet.
      accuracies: Accuracy of each subnet.
      near: Places of the subnets of about one size.
    """
    pairs = [(predictor, accuracies)]
    pairs.append(tuple([each[n] for n in near] for each in pairs[0]))
    return Correlation(
        *(
            statistics.estimate(statistic, *pair)
            for pair in pairs
            for statistic in (statistics.kendall, statistics.spearman)
        )
    )


def _write(
    study: study_lib.Study,
    subnets: Subnets,
    inherited: Mapping[str, Results],
    by_subnet: Sequence[Results],
) -> list[str]:
    """Writes the files, and returns the lines."""
    scratch = [supernets.pooled(each, _SPLIT)[0] for each in by_subnet]
    count = len(scratch)
    accuracies = {
        name: supernets.pooled(each, _SPLIT)[:count]
        for name, each in inherited.items()
    }
    macs = [
        cost.MACS.measure(study.experiment.model, each) for each in subnets.all
    ]
    predictors = {f"inherited, {n}": each for n, each in accuracies.items()}
    if len(predictors) == 1:
        predictors = {"inherited": accuracies[study.groups[0].name]}
    predictors |= {"parameters alone": subnets.params, "MACs alone": macs}
    found = {
        name: correlation(each, scratch, subnets.near)
        for name, each in predictors.items()
    }
    first = accuracies[study.groups[0].name]
    rows = _rows(subnets, macs, first, scratch)
    lines = [
        *table.markdown(_COLUMNS, rows),
        "",
        *_correlations(found, count, len(subnets.near)),
        "",
        *_remarks(study, subnets, inherited, by_subnet),
    ]
    more = {
        "correlations": {
            name: {
                field.name: getattr(one, field.name).to_dict()
                for field in dataclasses.fields(one)
            }
            for name, one in found.items()
        },
        "inherited": accuracies,
        "scratch": [
            [supernets.pooled([one], _SPLIT)[0] for one in each]
            for each in by_subnet
        ],
        "subnets": [each.to_dict() for each in subnets.all],
    }
    table.write(study.folder, "ranking", _COLUMNS, rows, lines, more)
    plots.save(
        study.folder / "ranking.png",
        plots.ranking(
            accuracies,
            scratch,
            subnets.params,
            subnets.near,
            {name: each.kendall for name, each in found.items()},
        ),
    )
    return lines


_COLUMNS = (
    table.Column("subnet", "subnet"),
    table.Column("parameters", "params", ",d"),
    table.Column("MACs", "macs", ",d"),
    table.Column("about one size", "near"),
    table.Column("inherited", "inherited", ".2%"),
    table.Column("from scratch", "scratch", ".2%"),
    table.Column("rank inherited", "inherited_rank", "g"),
    table.Column("rank from scratch", "scratch_rank", "g"),
)


def _rows(
    subnets: Subnets,
    macs: Sequence[float],
    inherited: Sequence[float],
    scratch: Sequence[float],
) -> list[list[object]]:
    """A row for each subnet, the best from scratch first. Ties share a rank."""
    ranks = [
        [1 + sum(other > one for other in each) for one in each]
        for each in (inherited, scratch)
    ]
    rows = [
        [
            place + 1,
            subnets.params[place],
            int(macs[place]),
            "yes" if place in subnets.near else "",
            inherited[place],
            scratch[place],
            ranks[0][place],
            ranks[1][place],
        ]
        for place in range(len(scratch))
    ]
    return sorted(rows, key=lambda row: -row[5])


def _correlations(
    found: Mapping[str, Correlation], count: int, near: int
) -> list[str]:
    """The table of the correlations."""
    columns = [table.Column("predictor", "predictor")]
    for number in (f"{count} subnets", f"{near} of about one size"):
        for name in ("Kendall's τ", "Spearman's ρ"):
            columns.append(table.Column(f"{name}, {number}", ""))
    rows = [
        [
            name,
            *(
                getattr(each, field.name).text()
                for field in dataclasses.fields(each)
            ),
        ]
        for name, each in found.items()
    ]
    return [
        *table.markdown(columns, rows),
        "",
        "Each correlation is with the accuracy from scratch. In parentheses is "
        "the interval of 95% confidence of a bootstrap over the subnets.",
    ]


def _remarks(
    study: study_lib.Study,
    subnets: Subnets,
    inherited: Mapping[str, Results],
    by_subnet: Sequence[Results],
) -> list[str]:
    """What the figures rest on, and how much of them is noise."""
    count = len(by_subnet)
    images = study.groups[0].images(by_subnet[0], _SPLIT)
    pooled = [supernets.pooled(each, _SPLIT)[0] for each in by_subnet]
    mean = statistics_lib.mean(pooled)
    lines = [
        f"An accuracy is over {images:,} images, of which one is "
        f"{1 / images:.2%}. Its standard error is about "
        f"{math.sqrt(mean * (1 - mean) / images):.2%}. The accuracies from "
        f"scratch are {mean:.2%} on average, with a standard deviation of "
        f"{statistics_lib.pstdev(pooled):.2%} between all subnets and of "
        f"{statistics_lib.pstdev([pooled[n] for n in subnets.near]):.2%} "
        "between those of about one size."
    ]
    size = len(by_subnet[0])
    if size > 1:
        for name, places in (
            ("all subnets", range(count)),
            ("those of about one size", subnets.near),
        ):
            share = statistics.reliability(
                [
                    [
                        supernets.pooled([by_subnet[n][seed]], _SPLIT)[0]
                        for n in places
                    ]
                    for seed in range(size)
                ]
            )
            if math.isnan(share):
                continue
            lines.append(
                f"Of {name}, the order from scratch has a reliability of "
                f"{share:.2f} ({size} seeds). So a predictor that was measured "
                "on other images can hardly have a larger ρ than about "
                f"{math.sqrt(share):.2f}."
            )
    for name, results in inherited.items():
        lines += [
            f"{name}: {warning}"
            for each in results
            if (warning := _warning(each)) is not None
        ]
    return [line for each in lines for line in (each, "")][:-1]


def _warning(result: tasks_lib.Result) -> str | None:
    """What the health check says of a supernet."""
    *others, largest, smallest = supernets.pooled([result], _SPLIT)
    return health.warning(largest, smallest, others, result["images"][_SPLIT])
