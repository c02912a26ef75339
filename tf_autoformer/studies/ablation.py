"""Which input of the head, and which position embedding, are better?

The paper reports that average pooling beats the class token by 0.3 points, and
that relative position adds 0.6 (supplementary material).
"""

import dataclasses
import itertools
import statistics as statistics_lib
import typing
from collections.abc import Mapping, Sequence

from tf_autoformer.space import model as model_lib
from tf_autoformer.studies import plots, supernets, table
from tf_autoformer.studies import study as study_lib

_SPLIT = "validation"
_POOLINGS = typing.get_args(model_lib.Pooling)
_POSITIONS = typing.get_args(model_lib.Position)
# Figures of each seed, by head and position.
Figures = Mapping[tuple[str, str], Sequence[float]]


def run(study: study_lib.Study, count: int) -> list[str]:
    """Trains a supernet for each head, position embedding and seed.

    Writes `ablation.md`, `.csv`, `.json` and `.png`.

    Args:
      study: Supernets and folder. The supernets of the first group tell the
        recipe, the seeds and the data. They are not used themselves.
      count: Number of random subnets that each supernet is evaluated by.

    Returns:
      Lines of `ablation.md`.

    Raises:
      InputError: A task cannot be done.
    """
    study.require_one_group()
    subnets = study.draw(count)
    members = study.groups[0].members
    options = [*itertools.product(_POOLINGS, _POSITIONS)]
    tasks = [
        study.training(
            f"{pooling}_{position}_{number}",
            dataclasses.replace(
                supernets.trainable(member.experiment),
                model=dataclasses.replace(
                    member.experiment.model,
                    pooling=pooling,
                    position=position,
                ),
            ),
            subnets,
        )
        for pooling, position in options
        for number, member in enumerate(members, 1)
    ]
    study.claim("ablation", subnets=count)
    results = study.tasks.results(tasks)
    figures = {
        option: [
            statistics_lib.mean(supernets.pooled([each], _SPLIT))
            for each in found
        ]
        for option, found in zip(
            options, study.by_supernet(results), strict=True
        )
    }
    rows = [
        [*option, statistics_lib.mean(found), *found]
        for option, found in figures.items()
    ]
    columns = (
        table.Column("head", "head"),
        table.Column("position", "position"),
        table.Column("mean", "mean", ".2%"),
        *(
            table.Column(f"seed {number}", f"seed_{number}", ".2%")
            for number in range(1, len(members) + 1)
        ),
    )
    effects = _effects(figures)
    lines = [
        *table.markdown(columns, rows),
        "",
        f"Each figure is the mean accuracy of the same {count} random subnets "
        f"with inherited weights. A seed is one supernet, with validation "
        f"images of its own if the data are folds.",
        "",
        *table.markdown(_EFFECTS, effects),
        "",
        "An effect is a difference of means over all other choices. Its spread "
        "is that of the seeds.",
    ]
    names = [each.name for each in _EFFECTS]
    table.write(
        study.folder,
        "ablation",
        columns,
        rows,
        lines,
        {"effects": [dict(zip(names, each, strict=True)) for each in effects]},
    )
    named = {f"{a}, {b}": found for (a, b), found in figures.items()}
    plots.save(
        study.folder / "ablation.png",
        plots.dots(
            named,
            f"mean validation accuracy of {count} random subnets",
            "Input of the head and position embedding",
        ),
    )
    return lines


_EFFECTS = (
    table.Column("effect", "effect"),
    table.Column("mean", "mean", "+.2%"),
    table.Column("smallest seed", "low", "+.2%"),
    table.Column("largest seed", "high", "+.2%"),
    table.Column("the paper", "paper"),
)


def _effects(figures: Figures) -> list[list[object]]:
    """Rows of the effects that the paper names, and of each embedding."""

    def mean(pooling: Sequence[str], position: Sequence[str]) -> list[float]:
        """The mean over some options, for each seed."""
        chosen = [
            figures[each] for each in itertools.product(pooling, position)
        ]
        return [*map(statistics_lib.mean, zip(*chosen, strict=True))]

    compared = {
        "average pooling instead of the class token": (
            mean(["average"], _POSITIONS),
            mean(["cls"], _POSITIONS),
            "+0.3 points",
        ),
        "relative and absolute position instead of absolute": (
            mean(_POOLINGS, ["both"]),
            mean(_POOLINGS, ["absolute"]),
            "about +0.6 points",
        ),
        **{
            f"{position} instead of none": (
                mean(_POOLINGS, [position]),
                mean(_POOLINGS, ["none"]),
                "",
            )
            for position in _POSITIONS
            if position != "none"
        },
    }
    rows = []
    for name, (ours, others, paper) in compared.items():
        seeds = [a - b for a, b in zip(ours, others, strict=True)]
        rows.append(
            [name, statistics_lib.mean(seeds), min(seeds), max(seeds), paper]
        )
    return rows
