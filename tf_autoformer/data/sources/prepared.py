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
    """TFDS's names of the splits that a data set's splits come from.

    Attributes:
      training: Split to train on, before images are withheld from it.
      test: Split to report on. None: withhold one.
      validation: Split to search on. None: withhold one.
      limit: Largest number of images to withhold. None: no limit.
    """

    training: str = "train"
    test: str | None = None
    validation: str | None = None
    limit: int | None = None


class Prepared:
    """Images of a prepared TFDS data set.

    Args:
      builder: Builder of the data set, whose data are prepared.
      names: Names of the classes.
      splits: Splits that the data set's splits come from. Default: those of
        `default_splits`.

    Raises:
      InputError: See `default_splits`.
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
        """The number of images of a split.

        Raises:
          InputError: The prepared data have no such split, a label is out of
            range, or a class has too few images.
        """
        stored = self._stored(split)
        if stored is None:
            return int(np.count_nonzero(self._masks[split]))
        return _size(self._builder, stored)

    def read(self, split: withholding.Split) -> tf.data.Dataset:
        """Pairs (encoded image string [], label int64 []) in a fixed order.

        Raises:
          InputError: See `num_examples`.
        """
        size = self.num_examples(split)
        stored = self._stored(split)
        if stored is not None:
            return records.examples(self._builder, stored)
        mask = self._masks[split]
        # Nothing is read beyond the last image. Withheld images are the first
        # of each class, so that their last one comes early.
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

    def digest(self, split: withholding.Split) -> str:
        """A digest that differs if the split has other images.

        Raises:
          InputError: See `num_examples`.
        """
        builder, stored = self._builder, self._stored(split)
        content = [builder.info.full_name, stored or self._splits.training]
        for name in content[1].split("+"):
            info = builder.info.splits[name]
            content += [info.shard_lengths, info.num_bytes]
        found = hashlib.sha256(repr(content).encode())
        if stored is None:
            found.update(self._masks[split].tobytes())
        return found.hexdigest()

    def fault(self) -> str | None:
        """The first file that has gone or is damaged, in words."""
        for info in self._builder.info.splits.values():
            for path in info.filepaths:
                try:
                    for _ in tf.data.TFRecordDataset(str(path)):
                        pass
                except tf.errors.OpError as error:
                    return f"{path}: {errors.reason(error)}"
        return None

    def first_digest(self) -> str:
        """The digest of the validation split in the first versions' folders."""
        content = f"{self._builder.info.full_name} {self._splits}".encode()
        if "validation" in self._withheld:
            content += self._masks["validation"].tobytes()
        return hashlib.sha256(content).hexdigest()

    def _stored(self, split: withholding.Split) -> str | None:
        """TFDS's name of a split. None: a part of the training images."""
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
        """Mapping of each split to its training images, bool [images]."""
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
    """The splits of a data set without an entry in `datasets`.

    The test split is the first of TFDS's test and validation split that exists
    and has labels. If there is none, one is withheld. A validation split that
    is not the test split is trained on.

    Args:
      builder: Builder of the data set, whose data are prepared.
      num_classes: Number of classes.

    Raises:
      InputError: There is no training split, or a label is out of range.
    """
    _size(builder, "train")
    for test in ("test", "validation"):
        if test not in builder.info.splits:
            continue
        labels = records.labels(builder, test)
        if np.all(labels == -1):  # TFDS marks labels that are not public so.
            continue
        records.check_labels(labels, num_classes, test, builder.name)
        more = test == "test" and "validation" in builder.info.splits
        return Splits("train+validation" if more else "train", test)
    return Splits()


def _size(builder: tfds.core.DatasetBuilder, split: str) -> int:
    """The number of images of a prepared split.

    Raises:
      InputError: There is no such split.
    """
    try:
        return builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        found = ", ".join(builder.info.splits) or "none"
        raise errors.InputError(
            f"{builder.name} as prepared in {builder.data_dir} has no split "
            f"{split}; it has {found}"
        ) from error
