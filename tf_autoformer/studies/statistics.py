"""Rank correlations and intervals of confidence."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

# Resamplings of a bootstrap, and its share of them within an interval.
_RESAMPLINGS = 1000
_CONFIDENCE = 0.95

Statistic = Callable[..., float]


class Estimate(NamedTuple):
    """A figure with its interval of 95 % confidence.

    Attributes:
      value: Figure of the whole sample.
      low: Lower end of the interval.
      high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """The JSON form, in which None is no number."""
        return {
            name: None if math.isnan(value) else value
            for name, value in self._asdict().items()
        }

    def text(self, form: str = "+.2f") -> str:
        """The figure and its interval for a table."""
        if math.isnan(self.value):
            return "–"
        value, low, high = (format(each, form) for each in self)
        return f"{value} ({low} to {high})"


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's rank correlation, τ-b, which takes account of ties.

    Args:
      first: Figure of each member.
      second: Other figure of each member.

    Returns:
      Correlation in [-1, 1]. NaN if one of the figures is the same for all.
    """
    found = stats.kendalltau(first, second, method="asymptotic")
    return float(found.statistic)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ρ. Ties share their mean rank.

    See `kendall` for arguments and results.
    """
    with warnings.catch_warnings():  # It warns of what its NaN says.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(first, second).statistic)


def estimate(statistic: Statistic, *samples: Sequence[float]) -> Estimate:
    """A statistic with its interval, by the percentiles of a bootstrap.

    The members are drawn with replacement, each with all its figures. The
    draws are the same each time.

    Args:
      statistic: Function of the samples.
      *samples: Figures of each member, one sequence for each kind.
    """
    arrays = [np.asarray(each, np.float64) for each in samples]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_RESAMPLINGS):
        chosen = rng.integers(len(arrays[0]), size=len(arrays[0]))
        found.append(statistic(*(each[chosen] for each in arrays)))
    found = [each for each in found if not math.isnan(each)]
    value = statistic(*arrays)
    if not found:
        return Estimate(value, math.nan, math.nan)
    beyond = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(found, [beyond, 1 - beyond])
    return Estimate(value, float(low), float(high))


def reliability(seeds: Sequence[Sequence[float]]) -> float:
    """The share of the variance of mean ranks that is not noise.

    It is the mean rank correlation of two seeds, stepped up to the mean of all
    of them by the formula of Spearman and Brown. Its square root is about the
    largest correlation that anything can have with that mean.

    Args:
      seeds: For each seed, the figure of each member.

    Returns:
      Share, at most 1. NaN for a single seed.
    """
    pairs = [
        spearman(first, second)
        for number, first in enumerate(seeds)
        for second in seeds[:number]
    ]
    if not pairs:
        return math.nan
    mean = float(np.mean(pairs))
    if mean <= 0:
        return 0.0
    return len(seeds) * mean / (1 + (len(seeds) - 1) * mean)
