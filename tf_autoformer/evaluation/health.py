"""Health of a supernet: larger subnets should not be less accurate."""

import math
import statistics
from collections.abc import Sequence

# Standard errors by which the largest subnet must be worse before it counts.
# By chance alone, that happens once in 700 comparisons.
_MARGIN = 3.0


def warning(
    largest: float, smallest: float, others: Sequence[float], num_images: int
) -> str | None:
    """Tells whether a supernet looks broken or is not trained enough.

    In a trained supernet the largest subnet is about as accurate as any other.
    It is compared with the smallest one and with the median of others. The
    margin is that of two independent samples of images. All subnets see the
    same images, so a real difference is noticed later than it could be, and
    chance alone warns even less often.

    Args:
      largest: Accuracy of the space's largest subnet, in [0, 1].
      smallest: Accuracy of the space's smallest subnet, in [0, 1].
      others: Accuracies of subnets that no search selected, in [0, 1], if any.
      num_images: Number of images that each subnet was evaluated on.

    Returns:
      One paragraph for a person to read. None: nothing is wrong.
    """
    compared = {"the smallest has": smallest}
    if others:
        name = f"the median of {len(others)} others is"
        compared[name] = statistics.median(others)
    better = [
        f"{name} {accuracy:.1%}"
        for name, accuracy in compared.items()
        if accuracy - largest > _margin(largest, accuracy, num_images)
    ]
    if not better:
        return None
    return (
        f"The supernet may be broken or not trained enough: its largest subnet "
        f"labels {largest:.1%} of {num_images:,} validation images correctly, "
        f"but {' and '.join(better)}. A difference by chance would be smaller "
        f"than {_MARGIN:g} standard errors. The accuracies with inherited "
        "weights then say little about the candidates. Train longer, check "
        "images and labels, or train with a lower learning rate."
    )


def _margin(first: float, second: float, num_images: int) -> float:
    """Difference of two accuracies that chance hardly exceeds."""
    mean = (first + second) / 2
    return _MARGIN * math.sqrt(2 * mean * (1 - mean) / num_images)
