"""The data sets that can be named, and how they are loaded."""

import contextlib
import dataclasses
import functools
import io
import os
import tarfile
from collections.abc import Callable
from typing import Literal

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_autoformer import errors, files
from tf_autoformer.data import digits

Split = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set of images with labels.

    Attributes:
      builder: makes its TFDS builder from `data_dir`.
      num_classes: of its labels.
      mean: of its training images' pixels in [0, 1], for each channel.
      std: likewise.
      crop: see `data.preprocessing.to_rgb`.
      train: split to train the supernet on.
      validation: split to search on; shares no image with the others.
      test: split for the final report alone.
    """

    builder: Callable[..., tfds.core.DatasetBuilder]
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crop: float | None = None
    train: str = "train"
    validation: str = "validation"
    test: str = "test"


SOURCES = {
    "digits": Source(
        builder=digits.Digits,
        num_classes=10,
        mean=(0.305,) * 3,
        std=(0.376,) * 3,
    ),
    "imagenet2012": Source(
        builder=functools.partial(tfds.builder, "imagenet2012"),
        num_classes=1000,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        # 224 pixels out of 256, as it is usually evaluated.
        crop=0.875,
        # As many images for the search as in the paper.
        train="train[10000:]",
        validation="train[:10000]",
        test="validation",
    ),
}


def _remove_empty(folder: str) -> None:
    """Removes a folder and those in it, as far as they hold no file."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set on disk, ready to be read.

    Attributes:
      source: its entry in `SOURCES`.
      builder: its prepared TFDS builder.
    """

    source: Source
    builder: tfds.core.DatasetBuilder

    def num_examples(self, split: Split) -> int:
        """Images of a split.

        Raises:
          InputError: the data set as prepared has none of this split.
        """
        split = getattr(self.source, split)
        try:
            return self.builder.info.splits[split].num_examples
        except ValueError as error:  # So of a slice beyond the end.
            raise errors.InputError(
                f"{self.builder.name} as prepared in {self.builder.data_dir} "
                f"has no split {split}: {error}"
            ) from error

    def read(self, split: Split) -> tf.data.Dataset:
        """(encoded image string [], label int64 []), in a fixed order."""
        self.num_examples(split)  # Fails with a clear message.
        return self.builder.as_dataset(
            split=getattr(self.source, split),
            as_supervised=True,
            decoders={"image": tfds.decode.SkipDecoding()},
        )


def source(name: str) -> Source:
    """The entry of `SOURCES`.

    Raises:
      InputError: there is none of this name.
    """
    if name not in SOURCES:
        raise errors.InputError(
            f"dataset is {name!r}; it must be one of {', '.join(SOURCES)}"
        )
    return SOURCES[name]


def labels(name: str) -> tuple[str, ...]:
    """The names of a data set's classes, in order; reads no data.

    Raises:
      InputError: there is no data set of this name.
    """
    return tuple(source(name).builder().info.features["label"].names)


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads a data set, preparing it on first use.

    Args:
      name: a key of `SOURCES`.
      data_dir: where prepared data sets are kept; TFDS's default if None.

    Raises:
      InputError: the name is unknown, `data_dir` cannot be written, or it
        lacks files that can only be got by hand.
    """
    entry = source(name)
    folder = os.path.expanduser(data_dir or "~/tensorflow_datasets")
    is_new = files.is_new(folder)
    with files.make_writable(folder):
        builder = entry.builder(data_dir=folder)
        try:
            # Bars of its progress go to stderr.
            with contextlib.redirect_stdout(io.StringIO()):
                builder.download_and_prepare()
        # So TFDS says that its manual_dir is empty, or lacks an archive or
        # has a damaged one.
        except (AssertionError, tf.errors.OpError, tarfile.TarError) as error:
            if is_new:
                _remove_empty(folder)
            raise errors.InputError(
                f"cannot prepare {name}: {' '.join(str(error).split())}"
            ) from error
    return Dataset(entry, builder)
