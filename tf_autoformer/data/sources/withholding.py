"""Which training images are withheld for the search, and for a test.

The paper searches on images withheld from the training split (section 4.1),
so that the test split stays unseen until the end.
"""

from collections.abc import Sequence

import numpy as np

from tf_autoformer import errors
from tf_autoformer.data.sources import names as names_lib

Split = names_lib.Split

_SHARE = 0.1  # Of the training images.


def divide(
    labels: np.ndarray,
    names: Sequence[str],
    withheld: Sequence[Split],
    limit: int | None = None,
) -> dict[Split, np.ndarray]:
    """Withholds splits from training images, each class in its share.

    The first split gets a tenth of the images, the next a tenth of the rest.

    Args:
      labels: Labels of the images in a fixed order, int [images].
      names: Names of the classes.
      withheld: Names of the splits.
      limit: Largest number of images of a split. It is exceeded where one
        image of each class is more.

    Returns:
      Mapping of each split to its images, bool [images]. "train" has the
      images that are left.

    Raises:
      InputError: A class has too few images for one in every split.
    """
    least = len(withheld) + 1
    for name, size in zip(names, _sizes(labels, len(names)), strict=True):
        if 0 < size < least:
            raise errors.InputError(
                f"class {name!r} has {size} training images; it must have at "
                f"least {least}, to be in every split: train, "
                f"{', '.join(withheld)}"
            )
    rest = np.arange(len(labels))
    masks = {}
    for split in withheld:
        total = round(_SHARE * len(rest))
        if limit is not None:
            total = min(total, limit)
        chosen = first_of_each_class(labels[rest], len(names), total)
        masks[split] = _mask(rest[chosen], len(labels))
        rest = rest[~chosen]
    return masks | {"train": _mask(rest, len(labels))}


def first_of_each_class(
    labels: np.ndarray, num_classes: int, total: int
) -> np.ndarray:
    """The first images of each class, as many as its share of `total`.

    Shares are rounded so that they add up to `total`, and are at least one.

    Args:
      labels: Labels of the images, int [images] in [0, num_classes).
      num_classes: Number of classes. Some may have no image.
      total: Number of images to choose, smaller than the number of images.

    Returns:
      The chosen images, bool [images].
    """
    sizes = _sizes(labels, num_classes)
    counts, remainders = np.divmod(sizes * total, len(labels))
    # Rounded up are the shares that lose most when rounded down.
    order = np.argsort(-remainders, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    counts = np.maximum(counts, 1)
    by_class = np.argsort(labels, kind="stable")
    ranks = np.empty(len(labels), np.int64)
    first = np.cumsum(sizes) - sizes
    ranks[by_class] = np.arange(len(labels)) - np.repeat(first, sizes)
    return ranks < counts[labels]


def _sizes(labels: np.ndarray, num_classes: int) -> np.ndarray:
    return np.bincount(labels, minlength=num_classes)


def _mask(indices: np.ndarray, length: int) -> np.ndarray:
    mask = np.zeros(length, bool)
    mask[indices] = True
    return mask
