"""Figure 1 of the paper's supplementary material, on one's own searches.

It says that shallow blocks prefer large QKV dimensions and small MLP ratios,
and deep blocks the opposite. The study asks whether the best candidates of
searches are like this.
"""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import candidates, selection
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.studies import depth_trend, structure_picture
from tf_autoformer.studies import table as table_lib

Architecture = architecture_lib.Architecture

_PICTURED = 6  # Most searches whose best architecture is drawn.
_HEADING = "# Structure of the best architectures, block by block"
_NOTE = """\
A slope is the least-squares change from the first to the last block, averaged
over architectures, with its 95 % bootstrap interval. A claim holds if the
interval of the difference is on the claimed side of zero. Candidates of one
search are relatives, so the intervals say little about other searches.
Architectures of one block are left out."""


def run(
    folders: Sequence[workdir_lib.SearchFolder],
    output: pathlib.Path,
    best: int = 20,
) -> list[str]:
    """Studies the structure of the best candidates of searches.

    Writes to `output`:

    - `structure.png`: the most accurate architecture of each search, of up to 6
    - `structure_trend.png`: means over the best of all searches, against those
      of the random candidates, which sampling and constraint alone give
    - `structure.json`, `structure.md` and `structure.csv`: slopes over depth

    The same input gives the same files.

    Args:
      folders: Folders of one or more searches in one search space.
      output: Folder to write to, which is made if it does not exist.
      best: Number of most accurate candidates of each search.

    Returns:
      The table of the slopes, as lines of text.

    Raises:
      InputError: A search is missing or has no candidates, the search spaces
        differ, fewer than two of the best or of the random candidates have
        several blocks, or the output cannot be written.
    """
    head_dim = _head_dim(folders)
    rankings = [_ranking(folder) for folder in folders]
    unstopped = [[c for c in each if c.images is None] for each in rankings]
    groups = {
        "best": [c for each in unstopped for c in each[:best]],
        "random": [
            c for each in rankings for c in each if c.origin == "random"
        ],
    }
    roots = [str(folder.root) for folder in folders]
    with errors.about(errors.listed(roots, _PICTURED)):
        subnets = {name: _several(name, each) for name, each in groups.items()}
    trends = [
        depth_trend.of(dimension, head_dim, **subnets)
        for dimension in depth_trend.DIMENSIONS
    ]
    sizes = {name: len(found) for name, found in subnets.items()}

    winners = [
        (_title(folder, ranking[0]), ranking[0].architecture)
        for folder, ranking in zip(folders, rankings, strict=True)
    ]
    for name, drawing in (
        (
            "structure",
            structure_picture.architectures(winners[:_PICTURED], head_dim),
        ),
        ("structure_trend", structure_picture.trends(trends, sizes)),
    ):
        files.write_bytes(output / f"{name}.png", pictures.png(drawing))
    files.write_json(
        output / "structure.json",
        {
            "searches": roots,
            "architectures": sizes,
            "dimensions": [
                {**_record(each), "curves": _curves(each)} for each in trends
            ],
        },
    )
    records = [_record(each) for each in trends]
    table_lib.write_csv(
        output / "structure.csv",
        list(records[0]),
        [list(each.values()) for each in records],
    )
    table = _table(trends, sizes)
    files.write_text(
        output / "structure.md",
        "\n".join([_HEADING, "", *_markdown(table), "", _NOTE, ""]),
    )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _head_dim(folders: Sequence[workdir_lib.SearchFolder]) -> int:
    """The dimension of an attention head.

    Raises:
      InputError: The searches have different spaces.
    """
    first, *others = [
        (experiment.space, experiment.model.head_dim)
        for experiment in (folder.workdir.experiment for folder in folders)
    ]
    for folder, other in zip(folders[1:], others, strict=True):
        if other != first:
            raise errors.InputError(
                f"{folder.root} has another search space than "
                f"{folders[0].root}; study them one by one"
            )
    return first[1]


def _ranking(folder: workdir_lib.SearchFolder) -> list[selection.Candidate]:
    """The candidates of a search, the most accurate first.

    Raises:
      InputError: There are none.
    """
    known = candidates.CandidateFile(folder.candidates).known
    if not known:
        raise errors.InputError(
            f"{folder.root} holds no candidates; run the search first"
        )
    return selection.ranked([*known.values()])


def _several(
    name: str, found: Iterable[selection.Candidate]
) -> list[Architecture]:
    """The different architectures of several blocks.

    Raises:
      InputError: They are fewer than two.
    """
    different = dict.fromkeys(each.architecture for each in found)
    subnets = [each for each in different if each.depth > 1]
    if len(subnets) < 2:
        raise errors.InputError(
            f"{len(subnets)} {name} candidates have several blocks; "
            "a comparison needs at least 2"
        )
    return subnets


def _title(
    folder: workdir_lib.SearchFolder, winner: selection.Candidate
) -> str:
    """A line about the best candidate of a search."""
    subnet = winner.architecture
    return (
        f"{folder.workdir.root.resolve().name}, search {folder.name}: "
        f"accuracy {winner.accuracy:.1%}, embed dim {subnet.embed_dim}, "
        f"depth {subnet.depth}"
    )


def _record(trend: depth_trend.Trend) -> dict[str, Any]:
    """The slopes of a dimension as one row of numbers."""
    ends = {
        f"{name}_{end}": _rounded(value)
        for name, slope in trend.slopes.items()
        for end, value in slope._asdict().items()
    }
    return {
        "dimension": trend.dimension.name,
        "claim": trend.dimension.claim,
        **ends,
        "verdict": trend.verdict,
    }


def _curves(trend: depth_trend.Trend) -> dict[str, Any]:
    """The curves of a dimension as lists of numbers."""
    return {
        "relative_depth": [*map(_rounded, trend.depths)],
        **{
            name: {
                end: [*map(_rounded, values)]
                for end, values in curve._asdict().items()
            }
            for name, curve in trend.curves.items()
        },
    }


def _rounded(value: float) -> float:
    """A number without the digits that differ between processors."""
    return float(f"{value:.6g}")


def _table(
    trends: Sequence[depth_trend.Trend], sizes: Mapping[str, int]
) -> list[list[str]]:
    """The slopes as rows of text, the header first."""
    groups = [f"slope of {number} {name}" for name, number in sizes.items()]
    rows = [["dimension", "claim", *groups, "difference", "verdict"]]
    for each in trends:
        slopes = [
            f"{mean:+.3g} ({low:+.3g} to {high:+.3g})"
            for mean, low, high in each.slopes.values()
        ]
        claim = each.dimension.claim
        rows.append([each.dimension.name, claim, *slopes, each.verdict])
    return rows


def _markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines of Markdown."""
    header, *rows = (f"| {' | '.join(row)} |" for row in table)
    return [header, "|---" * len(table[0]) + "|", *rows]
