"""The report on a search as one HTML page, which needs no other file."""

import dataclasses
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence

import jinja2
from matplotlib import figure

from tf_autoformer.analysis import origins, pictures
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost as cost_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space

_TEMPLATE = pathlib.Path(__file__).with_suffix(".html")
# Candidates that are drawn, and whose export has a command.
TOP = 5


@dataclasses.dataclass(frozen=True)
class Table:
    """A table. Its first column is text, the others are numbers.

    Attributes:
      heading: Names of the columns.
      rows: Cells of each row.
    """

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Content:
    """All that a page shows.

    Attributes:
      title: Title of the page.
      warning: Warning about the supernet's health. None: it is healthy.
      facts: Mapping of the names of facts about the search to their texts.
      compared: Table of the subnet found and of others.
      remark: Sentence below this table.
      measurement: Sentence on the measured cost of the subnet found. None: it
        was not measured.
      accuracy: Sentence on the accuracy of the export.
      answers: Table of the export's answers to some images.
      images: Picture of these images.
      ranking: All candidates, ranked.
      found: Architecture that the search found.
      parents: Number of candidates that have offspring, K.
      model: Fixed part of the network.
      space: Search space.
      costs: All costs of the candidates.
      further_costs: Costs among them that are drawn as the parameters are.
      measured: Mapping of architectures to their measured value of the first
        further cost, where the others are predictions.
      commands: Command to export each of the `TOP` candidates.
    """

    title: str
    warning: str | None
    facts: Mapping[str, str]
    compared: Table
    remark: str
    measurement: str | None
    accuracy: str
    answers: Table
    images: figure.Figure
    ranking: Sequence[selection.Candidate]
    found: architecture_lib.Architecture
    parents: int
    model: model_lib.ModelConfig
    space: search_space.SearchSpace
    costs: Sequence[cost_lib.Cost]
    further_costs: Sequence[cost_lib.Cost]
    measured: Mapping[architecture_lib.Architecture, float]
    commands: Sequence[str]


def render(content: Content) -> str:
    """The page as HTML. Whatever the content has is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    top = content.ranking[:TOP]
    return environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        content=content,
        fronts=[
            pictures.svg(pictures.candidates(content.ranking, each), each.name)
            for each in (cost_lib.PARAMS, *content.further_costs)
            # The search may have had fewer costs than the report.
            if all(each.name in c.costs for c in content.ranking)
        ],
        progress=pictures.svg(pictures.progress(content.ranking), "progress"),
        yields=_yield_table(content),
        operators=pictures.svg(
            pictures.operators(content.ranking, content.parents), "operators"
        ),
        architectures=[
            (
                _caption(rank, candidate, content.found),
                pictures.svg(
                    pictures.architecture(
                        candidate.architecture, content.model
                    ),
                    f"top-{rank}",
                ),
            )
            for rank, candidate in enumerate(top, 1)
        ],
        costs=_cost_table(content),
        images=pictures.svg(content.images, "answers"),
    )


def export_command(
    workdir: str | os.PathLike[str],
    architecture: str | os.PathLike[str],
    data_dir: str | None = None,
) -> str:
    """The shell's command that exports an architecture, a flag on each line.

    Args:
      workdir: Working folder of the supernet.
      architecture: JSON file of the architecture. The export's folder is
        beside it and has its name.
      data_dir: Folder of prepared data sets. None: TFDS's default.
    """
    flags = {
        "workdir": workdir,
        "data_dir": data_dir,
        "architecture": architecture,
        "export_dir": pathlib.Path(architecture).with_suffix(""),
    }
    words = [
        shlex.quote(f"--{name}={value}")
        for name, value in flags.items()
        if value
    ]
    return " \\\n  ".join(["python -m tf_autoformer.export", *words])


def _caption(
    rank: int,
    candidate: selection.Candidate,
    found: architecture_lib.Architecture,
) -> str:
    params = cost_lib.PARAMS.text(candidate.costs[cost_lib.PARAMS.name])
    mark = ", found by the search" if candidate.architecture == found else ""
    return f"{rank}: {candidate.accuracy:.1%} with {params}{mark}"


def _yield_table(content: Content) -> Table:
    candidates = content.ranking
    entered = origins.entered(candidates, content.parents)
    return Table(
        (
            "operator",
            "evaluated",
            "mean accuracy",
            "best accuracy",
            f"entered the top {content.parents}",
        ),
        [
            (
                each.origin,
                f"{each.evaluated:,}",
                f"{each.mean:.1%}",
                f"{each.best:.1%}",
                f"{each.entered:,} ({each.entered / each.evaluated:.0%})",
            )
            for each in origins.yields(candidates, entered)
        ],
    )


def _cost_table(content: Content) -> Table:
    """All costs of the top candidates and of the space's extremes."""
    top = content.ranking[:TOP]
    known = {each.name: each for each in content.costs}
    # Measured values that the candidates have besides.
    others = {name: None for c in top for name in c.costs if name not in known}

    def row(
        name: str,
        architecture: architecture_lib.Architecture,
        costs: Mapping[str, float],
        accuracy: str = "–",
        generation: str = "–",
    ) -> Sequence[str]:
        numbers = [
            known.get(each, cost_lib.PARAMS).number(costs[each])
            if each in costs
            else "–"
            for each in (*known, *others)
        ]
        for each in content.further_costs[:1] if content.measured else ():
            value = content.measured.get(architecture)
            numbers.append("–" if value is None else each.number(value))
        size = (f"{architecture.embed_dim}", f"{architecture.depth}")
        return (name, accuracy, *numbers, *size, generation)

    rows = [
        row(
            f"{rank}",
            candidate.architecture,
            candidate.costs,
            f"{candidate.accuracy:.1%}",
            f"{candidate.generation}",
        )
        for rank, candidate in enumerate(top, 1)
    ]
    for name in ("smallest", "largest"):
        architecture = getattr(content.space, name)
        costs = cost_lib.measured(content.costs, content.model, architecture)
        rows.append(row(name, architecture, costs))
    heading = (
        *("subnet", "validation"),
        *(each.unit for each in known.values()),
        *others,
        *(
            f"{each.unit} measured"
            for each in content.further_costs[:1]
            if content.measured
        ),
        *("embed dim", "depth", "generation"),
    )
    return Table(heading, rows)
