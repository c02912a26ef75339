"""Pictures of the structure of the best architectures."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import figure

from tf_autoformer.analysis import pictures
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.studies import depth_trend


def architectures(
    found: Sequence[tuple[str, architecture_lib.Architecture]], head_dim: int
) -> figure.Figure:
    """A row for each architecture: each dimension of its blocks, by block.

    Args:
      found: Architectures, each after its title.
      head_dim: Dimension of an attention head.
    """
    dimensions = depth_trend.DIMENSIONS
    deepest = max(subnet.depth for _, subnet in found)
    drawing = figure.Figure((9.0, 2.1 * len(found)), layout="constrained")
    for row, (title, subnet) in zip(
        drawing.subfigures(len(found), 1, squeeze=False)[:, 0],
        found,
        strict=True,
    ):
        row.suptitle(title, fontsize=9, parse_math=False)
        blocks = np.arange(1, subnet.depth + 1)
        for axes, dimension, color in zip(
            row.subplots(1, len(dimensions)),
            dimensions,
            pictures.COLORS,
            strict=False,
        ):
            values = dimension.values(subnet, head_dim)
            bars = axes.bar(blocks, values, color=color, width=0.7)
            axes.bar_label(bars, fmt="%g", padding=1, fontsize=6.5)
            axes.margins(y=0.2)
            axes.set(xlabel="block", ylabel=dimension.name, xticks=blocks)
            axes.set_xlim(0.4, deepest + 0.6)
            axes.tick_params(labelsize=8)
    return drawing


def trends(
    found: Sequence[depth_trend.Trend], sizes: Mapping[str, int]
) -> figure.Figure:
    """The curves of the best architectures against those of random ones.

    Args:
      found: Trend of each dimension.
      sizes: Number of architectures of each curve.
    """
    drawing = figure.Figure((9.0, 4.2), layout="constrained")
    for axes, trend in zip(drawing.subplots(1, len(found)), found, strict=True):
        for (name, curve), style, color in zip(
            trend.curves.items(), ("o-", "s--"), pictures.COLORS, strict=False
        ):
            axes.plot(
                trend.depths,
                curve.mean,
                style,
                color=color,
                label=f"{name} ({sizes[name]})",
            )
            axes.fill_between(
                trend.depths, curve.low, curve.high, color=color, alpha=0.2
            )
        axes.set_title(
            f"Claim: {trend.dimension.claim}. Here: {trend.verdict}.",
            fontsize=10,
        )
        axes.set(
            xlabel="relative depth (0: first block, 1: last block)",
            ylabel=f"{trend.dimension.name}, mean",
        )
        axes.grid(alpha=0.3)
    drawing.legend(
        *axes.get_legend_handles_labels(),
        title="architectures, with the 95 % bootstrap interval of their mean",
        loc="outside lower center",
        ncols=2,
    )
    return drawing
