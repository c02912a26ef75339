"""Pictures of a search and of architectures."""

import io
import re
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib import figure, ticker

from tf_autoformer.analysis import origins
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost as cost_lib
from tf_autoformer.space import model as model_lib

_SIZE = (7.0, 4.5)  # inches


def png(drawing: figure.Figure) -> bytes:
    """The drawing as a PNG file."""
    file = io.BytesIO()
    drawing.savefig(file, format="png", dpi=120)
    return file.getvalue()


def svg(drawing: figure.Figure, name: str) -> str:
    """The drawing as an SVG element of an HTML page.

    Args:
      drawing: Drawing to write. Its texts stay texts, in the page's fonts.
      name: Beginning of its ids, which tells them from other drawings' ids.
    """
    file = io.StringIO()
    # The salt makes ids that are the same each time.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        drawing.savefig(
            file,
            format="svg",
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    text = file.getvalue()

    def renamed(tag: re.Match[str]) -> str:
        return re.sub(
            r'\b(id="|href="#|url\(#)',
            rf"\g<1>{name}-",
            re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag[0]),  # HTML knows them.
        )

    return re.sub("<[^<>]+>", renamed, text[text.index("<svg") :])


def candidates(
    ranking: Sequence[selection.Candidate],
    cost: cost_lib.Cost = cost_lib.PARAMS,
) -> figure.Figure:
    """Accuracy against a cost of all candidates, by generation.

    A line is the front: the best accuracy at each cost or below.

    Args:
      ranking: All candidates, ranked.
      cost: Cost that every candidate has.
    """
    values = [c.costs[cost.name] for c in ranking]
    drawing = figure.Figure(_SIZE, layout="constrained")
    axes = drawing.add_subplot()
    points = axes.scatter(
        values,
        [c.accuracy for c in ranking],
        c=[c.generation for c in ranking],
        cmap="viridis",
        vmax=max(1, *(c.generation for c in ranking)),
        vmin=0,
        s=18,
    )
    cheapest = sorted(ranking, key=lambda c: (c.costs[cost.name], -c.accuracy))
    axes.step(
        [c.costs[cost.name] for c in cheapest],
        np.maximum.accumulate([c.accuracy for c in cheapest]),
        where="post",
        color="dimgray",
        linewidth=1,
        zorder=0.5,  # Below the points.
        label="front",
    )
    best = ranking[0]
    axes.scatter(
        best.costs[cost.name],
        best.accuracy,
        s=140,
        facecolors="none",
        edgecolors="crimson",
        linewidths=1.8,
        label="best",
    )
    axes.set(
        xlabel=cost.help,
        ylabel="validation accuracy, inherited weights",
        title="Candidates of the search",
    )
    if max(values) >= 1000:  # Else it would write 0.5 as 500m.
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    bar = drawing.colorbar(points, label="generation")
    bar.locator = ticker.MaxNLocator(integer=True)
    bar.update_ticks()
    return drawing


def progress(ranking: Sequence[selection.Candidate]) -> figure.Figure:
    """Best accuracy so far and each generation's mean accuracy."""
    numbers = sorted({c.generation for c in ranking})
    means = [np.mean(selection.accuracies(ranking, g)) for g in numbers]
    bests = [
        max(c.accuracy for c in ranking if c.generation <= g) for g in numbers
    ]
    drawing = figure.Figure(_SIZE, layout="constrained")
    axes = drawing.add_subplot()
    axes.plot(numbers, bests, "o-", color="crimson", label="best so far")
    axes.plot(numbers, means, "o-", color="steelblue", label="mean")
    axes.set(
        xlabel="generation",
        ylabel="validation accuracy, inherited weights",
        title="Progress of the search",
        xlim=(-0.5, numbers[-1] + 0.5),
    )
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    axes.legend()
    axes.grid(alpha=0.3)
    return drawing


# Okabe and Ito's, which color-blind people tell apart, and shapes besides.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = "osD^vP"


def operators(
    candidates: Sequence[selection.Candidate], parents: int
) -> figure.Figure:
    """Mean accuracy and entries into the top K of each operator.

    Both are by generation.

    Args:
      candidates: All candidates.
      parents: Number of candidates that have offspring, K.
    """
    entered = origins.entered(candidates, parents)
    numbers = sorted({c.generation for c in candidates})
    by_generation = {
        number: {
            each.origin: each
            for each in origins.yields(
                [c for c in candidates if c.generation == number], entered
            )
        }
        for number in numbers
    }
    names = [each.origin for each in origins.yields(candidates, entered)]
    drawing = figure.Figure(_SIZE, layout="constrained")
    above, below = drawing.subplots(2, 1, sharex=True)
    bottom = np.zeros(len(numbers))
    for index, name in enumerate(names):
        color = COLORS[index % len(COLORS)]
        found = [by_generation[number].get(name) for number in numbers]
        above.plot(
            numbers,
            [np.nan if each is None else each.mean for each in found],
            marker=MARKERS[index % len(MARKERS)],
            color=color,
            label=name,
        )
        heights = [0 if each is None else each.entered for each in found]
        below.bar(
            numbers,
            heights,
            bottom=bottom,
            width=0.7,
            color=color,
            edgecolor="white",
        )
        bottom += heights
    above.set_ylabel("mean accuracy")
    above.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    above.set_title("Yield of each operator")
    drawing.legend(loc="outside right upper")
    below.set(xlabel="generation", ylabel=f"entered the top {parents}")
    for axes in (above, below):
        axes.grid(alpha=0.3, axis="y")
        axes.set_axisbelow(True)
    for axis in (below.xaxis, below.yaxis):
        axis.set_major_locator(ticker.MaxNLocator(integer=True))
    return drawing


def architecture(
    found: architecture_lib.Architecture, model: model_lib.ModelConfig
) -> figure.Figure:
    """QKV dimension and MLP ratio over depth (supplementary material)."""
    blocks = np.arange(1, found.depth + 1)
    drawing = figure.Figure(_SIZE, layout="constrained")
    rows = (
        ("QKV dim", [model.head_dim * h for h in found.num_heads], "steelblue"),
        ("MLP ratio", found.mlp_ratio, "darkorange"),
    )
    for axes, (label, values, color) in zip(
        drawing.subplots(2, 1, sharex=True), rows, strict=True
    ):
        bars = axes.bar(blocks, values, color=color, width=0.7)
        axes.bar_label(bars, fmt="%g", padding=2)
        axes.margins(y=0.2)
        axes.set_ylabel(label)
    axes.set_xlabel("block")
    axes.set_xticks(blocks)
    drawing.suptitle(
        f"Architecture: embed dim {found.embed_dim}, depth {found.depth}"
    )
    return drawing


def predictions(
    images: np.ndarray, truths: Sequence[str], predicted: Sequence[str]
) -> figure.Figure:
    """A row of images with their predicted labels, mistakes in red.

    Args:
      images: float [number, height, width, 3] in [0, 1].
      truths: Right label of each image.
      predicted: Predicted label of each image.
    """
    drawing = figure.Figure((1.1 * len(images), 1.35), layout="constrained")
    for axes, image, truth, label in zip(
        drawing.subplots(1, len(images), squeeze=False)[0],
        images,
        truths,
        predicted,
        strict=True,
    ):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(
            label,
            color="black" if label == truth else "crimson",
            parse_math=False,  # A label may have dollar signs.
        )
        axes.axis("off")
    return drawing
