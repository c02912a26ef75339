"""A picture of predicted against measured latencies."""

from collections.abc import Sequence

from matplotlib import figure


def predictions(
    measured: Sequence[float], predicted: Sequence[float], kind: str
) -> figure.Figure:
    """Predicted against measured latencies of held-out architectures.

    Args:
      measured: Measured latencies in milliseconds.
      predicted: Predicted latencies of the same architectures.
      kind: Name of the regression.
    """
    drawing = figure.Figure((5.0, 5.0), layout="constrained")
    axes = drawing.add_subplot()
    ends = min(*measured, *predicted), max(*measured, *predicted)
    axes.plot(ends, ends, color="crimson", label="measured = predicted")
    axes.scatter(measured, predicted, s=18, color="steelblue")
    axes.set(
        xlabel="measured latency, ms",
        ylabel="predicted latency, ms",
        title=f"Held-out architectures, {kind}",
        aspect="equal",
    )
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    return drawing
