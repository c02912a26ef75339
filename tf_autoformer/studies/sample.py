"""How accurate are random subnets with inherited weights?"""

import statistics as statistics_lib
from collections.abc import Sequence

from tf_autoformer.space import cost
from tf_autoformer.studies import plots, supernets, table
from tf_autoformer.studies import study as study_lib

_SPLIT = "validation"
# Subnets count as near the best up to this difference in accuracy.
_NEAR_BEST = 0.01


def run(study: study_lib.Study, count: int) -> list[str]:
    """Evaluates random subnets with inherited weights.

    Writes `sample.md`, `.csv` (a row for each subnet), `.json` and `.png`.

    Args:
      study: Supernets and folder. Accuracies are over the images of all
        supernets of a group.
      count: Number of subnets.

    Returns:
      Lines of `sample.md`.

    Raises:
      InputError: A task cannot be done.
    """
    subnets = study.draw(count)
    study.claim("sample", subnets=count)
    results = study.tasks.results(
        [
            study.evaluation(member.workdir.root, subnets)
            for group in study.groups
            for member in group.members
        ]
    )
    by_group = study.by_supernet(results)
    accuracies = {
        group.name: supernets.pooled(found, _SPLIT)
        for group, found in zip(study.groups, by_group, strict=True)
    }
    costs = [[int(each) for each in study.costs(subnet)] for subnet in subnets]
    params = [each[0] for each in costs]
    images = study.groups[0].images(by_group[0], _SPLIT)
    lines = [
        *table.markdown(
            _SUMMARY, [*map(_summary, accuracies, accuracies.values())]
        ),
        "",
        f"{count:,} random subnets, each on {images:,} validation images.",
    ]
    columns = (
        *(table.Column(each.help, each.name, ",d") for each in cost.COSTS),
        *(table.Column(name, name, ".2%") for name in accuracies),
    )
    rows = [
        [*each, *found]
        for each, *found in zip(costs, *accuracies.values(), strict=True)
    ]
    table.write(
        study.folder,
        "sample",
        columns,
        rows,
        lines,
        {"subnets": [each.to_dict() for each in subnets]},
    )
    plots.save(study.folder / "sample.png", plots.sample(accuracies, params))
    return lines


_SUMMARY = (
    table.Column("supernet", "supernet"),
    table.Column("worst", "worst", ".2%"),
    table.Column("median", "median", ".2%"),
    table.Column("mean", "mean", ".2%"),
    table.Column("best", "best", ".2%"),
    table.Column("standard deviation", "deviation", ".2%"),
    table.Column("within a point of the best", "near", ".1%"),
)


def _summary(name: str, found: Sequence[float]) -> list[object]:
    best = max(found)
    return [
        name,
        min(found),
        statistics_lib.median(found),
        statistics_lib.mean(found),
        best,
        statistics_lib.pstdev(found),
        sum(each >= best - _NEAR_BEST for each in found) / len(found),
    ]
