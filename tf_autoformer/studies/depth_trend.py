"""How a dimension of the blocks changes with depth, and how sure that is."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture
Floats = npt.NDArray[np.float64]

_RESAMPLES = 2_000
_TAILS = (0.025, 0.975)


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A dimension of a block, and the paper's claim about it.

    Attributes:
      name: Name in tables and on axes.
      sign: Sign of the claimed slope: 1 if it rises with depth, -1 if it falls.
      values: Function from an architecture and the head dimension to the value
        of each block.
    """

    name: str
    sign: int
    values: Callable[[Architecture, int], Sequence[float]]

    @property
    def claim(self) -> str:
        """The claim in words."""
        return f"{'rises' if self.sign > 0 else 'falls'} with depth"


# Supplementary material, figure 1.
DIMENSIONS = (
    Dimension(
        "QKV dim",
        -1,
        lambda subnet, head_dim: [head_dim * n for n in subnet.num_heads],
    ),
    Dimension("MLP ratio", 1, lambda subnet, _: subnet.mlp_ratio),
)


class Interval(NamedTuple):
    """A mean, and its 95 % bootstrap interval.

    Attributes:
      mean: Mean: a number, or an array of one for each relative depth.
      low: Lower end, as `mean`.
      high: Upper end, as `mean`.
    """

    mean: Any
    low: Any
    high: Any


@dataclasses.dataclass(frozen=True)
class Trend:
    """The change of a dimension with depth, of the best and of random ones.

    A slope is the least-squares change from the first to the last block,
    averaged over architectures. A curve has the mean value at relative depths
    from 0, the first block, to 1, the last one. Between the blocks of an
    architecture it is linear.

    Attributes:
      dimension: Dimension of the blocks.
      slopes: Slope of the "best" architectures, of the "random" ones, and the
        "difference" of the former from the latter.
      depths: Relative depths of the curves, float [points].
      curves: Curve of the "best" architectures and of the "random" ones, float
        [points].
    """

    dimension: Dimension
    slopes: Mapping[str, Interval]
    depths: Floats
    curves: Mapping[str, Interval]

    @property
    def verdict(self) -> str:
        """Whether the claim holds: only if chance explains no difference."""
        _, low, high = self.slopes["difference"]
        if low <= 0 <= high:
            return "not decided"
        return "holds" if low * self.dimension.sign > 0 else "contradicted"


def slope(values: Sequence[float]) -> float:
    """The least-squares slope over relative depth, from 0 to 1.

    Args:
      values: Value of each block, of two or more.
    """
    depths = np.linspace(-0.5, 0.5, len(values))
    return float(depths @ values / (depths @ depths))


def of(
    dimension: Dimension,
    head_dim: int,
    best: Sequence[Architecture],
    random: Sequence[Architecture],
) -> Trend:
    """The trend of a dimension.

    Args:
      dimension: Dimension of the blocks.
      head_dim: Dimension of an attention head.
      best: Best architectures, each of two or more blocks.
      random: Random architectures, each of two or more blocks.
    """
    rng = np.random.default_rng(0)
    points = max(subnet.depth for subnet in (*best, *random))
    depths = np.linspace(0, 1, points)

    def resampled(subnets: Sequence[Architecture]) -> Floats:
        """Means of the slope and of the curve. The first are of all.

        Returns:
          float64 [1 + resamples, 1 + points].
        """
        values = [dimension.values(each, head_dim) for each in subnets]
        rows = np.array(
            [
                [slope(v), *np.interp(depths, np.linspace(0, 1, len(v)), v)]
                for v in values
            ]
        )
        number = len(rows)
        counts = rng.multinomial(number, [1 / number] * number, _RESAMPLES)
        means = np.concatenate([[np.ones(number)], counts]) @ rows / number
        return means.round(9)  # Rounding errors are no difference.

    means = {"best": resampled(best), "random": resampled(random)}
    slopes = {name: each[:, 0] for name, each in means.items()}
    slopes["difference"] = slopes["best"] - slopes["random"]
    return Trend(
        dimension,
        {name: _interval(each) for name, each in slopes.items()},
        depths,
        {name: _interval(each[:, 1:]) for name, each in means.items()},
    )


def _interval(means: Floats) -> Interval:
    """The interval of a mean that stands before its resampled ones."""
    return Interval(means[0], *np.quantile(means[1:], _TAILS, axis=0))
