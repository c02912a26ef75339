"""Racing: subnets that cannot be among the best are evaluated no further."""

import math
import statistics
from collections.abc import Sequence

import numpy as np

# Probability that a subnet which would still reach the subnet it is compared
# with is not stopped, over all comparisons of a pass.
CONFIDENCE = 0.99
# Numbers of images between two comparisons, if a pass has few images.
_LEAST = 128
# Comparisons of a pass, if it has enough images.
_COMPARISONS = 16


def batch_size(num_examples: int, most: int) -> int:
    """The number of images between two comparisons.

    Args:
      num_examples: Number of images of the pass.
      most: Largest number that is allowed.
    """
    return min(most, max(_LEAST, math.ceil(num_examples / _COMPARISONS)))


class Race:
    """Compares the subnets of a generation with the present K-th best.

    The K-th best is that of the subnets which still run and of the best earlier
    ones, on the images that the generation has seen. A subnet is stopped if it
    is worse on the same images by McNemar's test, one-sided and with continuity
    correction. The images so far are taken for a random sample of all, so the
    variance shrinks with the share that is left. The level of each test is the
    error that `CONFIDENCE` allows, divided by the number of comparisons.

    Args:
      keep: Number of best subnets that count, K.
      earlier: Answers of the best earlier subnets to all images, at most K,
        bool [images].
      num_examples: Number of all images.
      batch_size: Number of images between two comparisons.
    """

    def __init__(
        self,
        keep: int,
        earlier: Sequence[np.ndarray],
        num_examples: int,
        batch_size: int,
    ):
        self._keep = keep
        self._earlier = list(earlier)
        self._total = num_examples
        level = (1 - CONFIDENCE) / math.ceil(num_examples / batch_size)
        self._least = statistics.NormalDist().inv_cdf(1 - level)

    def running(self, right: Sequence[np.ndarray]) -> list[bool]:
        """Whether each subnet should run on.

        Args:
          right: Answers of each running subnet to the images so far, bool
            [images], the same number for all.
        """
        if len(right) + len(self._earlier) < self._keep or not right:
            return [True] * len(right)
        seen = len(right[0])
        own = np.stack(right)  # [subnets, images]
        pool = np.stack([*right, *(each[:seen] for each in self._earlier)])
        order = np.argsort(-pool.sum(axis=1), kind="stable")
        best = pool[order[self._keep - 1]]
        behind = np.count_nonzero(best & ~own, axis=1)
        ahead = np.count_nonzero(own & ~best, axis=1)
        left = 1 - seen / self._total
        deviation = np.sqrt((behind + ahead) * left)
        return list(behind - ahead - 1 <= self._least * deviation)
