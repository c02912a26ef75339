"""Pictures of the studies."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure, ticker

from tf_autoformer import files
from tf_autoformer.analysis import pictures
from tf_autoformer.studies import statistics

COLORS, MARKERS = pictures.COLORS, pictures.MARKERS
_PANELS = 3  # In a row.


def save(path: pathlib.Path, drawing: figure.Figure) -> None:
    """Writes a drawing as a PNG file.

    Raises:
      InputError: The folder cannot be written or the disk is full.
    """
    files.write_bytes(path, pictures.png(drawing))


def percent(axis: Any) -> None:
    """Shows the shares on an axis in percent."""
    axis.set_major_formatter(ticker.PercentFormatter(1))


def _panels(count: int, width: float, height: float) -> list:
    """A drawing with panels of this size in inches, and its axes."""
    columns = min(count, _PANELS)
    rows = -(-count // columns)
    drawing = figure.Figure(
        (width * columns, height * rows), layout="constrained"
    )
    axes = drawing.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for each in axes[count:]:
        each.remove()
    return [drawing, *axes[:count]]


def ranking(
    inherited: Mapping[str, Sequence[float]],
    scratch: Sequence[float],
    params: Sequence[float],
    near: Sequence[int],
    correlations: Mapping[str, statistics.Estimate],
) -> figure.Figure:
    """Accuracy from scratch against inherited accuracy, a panel for a group.

    Args:
      inherited: For each group, the inherited accuracy of each subnet.
      scratch: Accuracy from scratch of each subnet.
      params: Parameters of each subnet.
      near: Places of the subnets of about one size.
      correlations: Kendall's τ by the name of the predictor.
    """
    drawing, *panels = _panels(len(inherited), 5.0, 4.6)
    is_near = np.isin(np.arange(len(scratch)), near)
    values = np.asarray(params) / 1000
    for axes, (name, accuracies) in zip(panels, inherited.items(), strict=True):
        for mask, marker, label in (
            (is_near, "D", "about one size"),
            (~is_near, "o", "other sizes"),
        ):
            points = axes.scatter(
                np.asarray(accuracies)[mask],
                np.asarray(scratch)[mask],
                c=values[mask],
                vmin=values.min(),
                vmax=values.max(),
                cmap="viridis",
                marker=marker,
                s=30,
                edgecolors="black",
                linewidths=0.4,
                label=label,
            )
        found = correlations.get(f"inherited, {name}") or correlations.get(
            "inherited"
        )
        axes.set_title(f"{name}\nτ = {found.text()}", fontsize=10)
        axes.set_xlabel("validation accuracy, inherited weights")
        percent(axes.xaxis)
        percent(axes.yaxis)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("validation accuracy, trained from scratch")
    panels[0].legend(loc="upper left", fontsize=8)
    drawing.colorbar(points, ax=panels, label="thousand parameters")
    return drawing


def sample(
    accuracies: Mapping[str, Sequence[float]],
    params: Sequence[float],
) -> figure.Figure:
    """Inherited accuracies: a histogram, and against the parameters.

    Args:
      accuracies: For each group, the accuracy of each subnet.
      params: Parameters of each subnet.
    """
    drawing = figure.Figure((11.0, 4.5), layout="constrained")
    left, right = drawing.subplots(1, 2)
    everything = np.concatenate([*map(np.asarray, accuracies.values())])
    bins = np.histogram_bin_edges(everything, 40)
    for number, (name, found) in enumerate(accuracies.items()):
        color = COLORS[number % len(COLORS)]
        left.hist(found, bins, histtype="stepfilled", color=color, alpha=0.25)
        left.hist(found, bins, histtype="step", color=color, label=name)
        right.scatter(
            params,
            found,
            s=8,
            color=color,
            marker=MARKERS[number % len(MARKERS)],
            alpha=0.5,
            linewidths=0,
            label=name,
        )
    left.set(
        xlabel="validation accuracy, inherited weights",
        ylabel="number of subnets",
    )
    right.set(
        xlabel="parameters", ylabel="validation accuracy, inherited weights"
    )
    right.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    percent(left.xaxis)
    percent(right.yaxis)
    left.legend(loc="upper left")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    drawing.suptitle(f"{len(params):,} random subnets")
    return drawing


def dots(
    values: Mapping[str, Sequence[float]], label: str, title: str
) -> figure.Figure:
    """A row of points for each name: one for each seed, and their mean.

    Args:
      values: Figures of each seed, in [0, 1], by name.
      label: Meaning of the figures.
      title: Title of the drawing.
    """
    drawing = figure.Figure(
        (7.5, 1.4 + 0.34 * len(values)), layout="constrained"
    )
    axes = drawing.add_subplot()
    rows = np.arange(len(values))[::-1]
    for row, found in zip(rows, values.values(), strict=True):
        axes.plot(
            [min(found), max(found)], [row, row], color="silver", zorder=1
        )
        first = row == rows[0]
        axes.scatter(
            found,
            [row] * len(found),
            s=22,
            color=COLORS[0],
            alpha=0.7,
            linewidths=0,
            label="one seed" if first else None,
            zorder=2,
        )
        axes.scatter(
            np.mean(found),
            row,
            s=60,
            marker="|",
            linewidths=2,
            color=COLORS[5],
            label="mean" if first else None,
            zorder=3,
        )
    axes.set_yticks(rows, list(values))
    axes.set(xlabel=label, title=title)
    percent(axes.xaxis)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawing
