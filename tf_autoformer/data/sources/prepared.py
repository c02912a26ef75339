"""The splits of a data set that TFDS has prepared."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_autoformer import errors
from tf_autoformer.data.sources import records, withholding


@dataclasses.dataclass(frozen=True)
class Splits:
    """Where a data set's splits come from, by TFDS's names.

    Attributes:
      training: what to train on, before anything is withheld from it.
      test: what to report on; None to withhold it.
      validation: what to search on; None to withhold it.
      limit: images to withhold at most.
    """

    training: str = "train"
    test: str | None = None
    validation: str | None = None
    limit: int | None = None


class Prepared:
    """Images of a prepared TFDS data set.

    Args:
      builder: its builder, whose data are prepared.
      names: of its classes.
      splits: where they come from; by default as `default_splits` finds.

    Raises:
      InputError: see `default_splits`.
    """

    def __init__(
        self,
        builder: tfds.core.DatasetBuilder,
        names: Sequence[str],
        splits: Splits | None = None,
    ):
        self._builder = builder
        self._names = names
        self._splits = splits or default_splits(builder, len(names))

    def num_examples(self, split: withholding.Split) -> int:
        """Images of a split.

        Raises:
          InputError: the data as prepared have none, a label is out of range,
            or a class has too few images.
        """
        stored = self._stored(split)
        if stored is None:
            return int(np.count_nonzero(self._masks[split]))
        return _size(self._builder, stored)

    def read(self, split: withholding.Split) -> tf.data.Dataset:
        """(encoded image string [], label int64 []), in a fixed order.

        Raises:
          InputError: see `num_examples`.
        """
        size = self.num_examples(split)
        stored = self._stored(split)
        if stored is not None:
            return records.examples(self._builder, stored)
        mask = self._masks[split]
        # Nothing is read beyond the last image: of what is withheld, the
        # first of each class, it comes early.
        mask = mask[: np.flatnonzero(mask)[-1] + 1]
        examples = records.examples(self._builder, self._splits.training)
        return (
            tf.data.Dataset.zip(
                (
                    examples.take(len(mask)),
                    tf.data.Dataset.from_tensor_slices(mask),
                )
            )
            .filter(lambda example, chosen: chosen)
            .map(lambda example, chosen: example)
            .apply(tf.data.experimental.assert_cardinality(size))
        )

    def digest(self) -> str:
        """Tells apart other images of the validation split."""
        content = f"{self._builder.info.full_name} {self._splits}".encode()
        if "validation" in self._withheld:
            content += self._masks["validation"].tobytes()
        return hashlib.sha256(content).hexdigest()

    def _stored(self, split: withholding.Split) -> str | None:
        """TFDS's name of a split; None for a part of the training images."""
        splits = self._splits
        if split == "train":
            return None if self._withheld else splits.training
        return splits.test if split == "test" else splits.validation

    @property
    def _withheld(self) -> list[withholding.Split]:
        splits = self._splits
        stored = {"test": splits.test, "validation": splits.validation}
        return [split for split, name in stored.items() if name is None]

    @functools.cached_property
    def _masks(self) -> dict[str, np.ndarray]:
        """Split -> which of the training images, bool [images]."""
        builder, training = self._builder, self._splits.training
        _size(builder, training)
        labels = records.labels(builder, training)
        records.check_labels(labels, len(self._names), training, builder.name)
        with errors.about(builder.name):
            return withholding.divide(
                labels, self._names, self._withheld, self._splits.limit
            )


def default_splits(
    builder: tfds.core.DatasetBuilder, num_classes: int
) -> Splits:
    """The splits of a data set that nothing more is known of.

    TFDS's test split is the test split, or else its validation split, if it
    has labels; where there is none, one is withheld. A validation split that
    is not the test split is trained on.

    Raises:
      InputError: there is no training split, or a label is out of range.
    """
    _size(builder, "train")
    for test in ("test", "validation"):
        if test not in builder.info.splits:
            continue
        labels = records.labels(builder, test)
        if np.all(labels == -1):  # So TFDS has them that are not public.
            continue
        records.check_labels(labels, num_classes, test, builder.name)
        more = test == "test" and "validation" in builder.info.splits
        return Splits("train+validation" if more else "train", test)
    return Splits()


def _size(builder: tfds.core.DatasetBuilder, split: str) -> int:
    """Images of a prepared split.

    Raises:
      InputError: there is none.
    """
    try:
        return builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        found = ", ".join(builder.info.splits) or "none"
        raise errors.InputError(
            f"{builder.name} as prepared in {builder.data_dir} has no split "
            f"{split}; it has {found}"
        ) from error
