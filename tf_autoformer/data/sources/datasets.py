"""Data sets by name: what is known of them, and how they are loaded."""

import contextlib
import dataclasses
import io
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_autoformer import errors, files, progress
from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import (
    digits,
    image_folder,
    image_layout,
    names,
    prepared,
)
from tf_autoformer.data.sources import source as source_lib

_LOGGER = logging.getLogger(__name__)
Source = source_lib.Source
Split = names.Split

# Splits of the data sets that this package builds.
_OWN = prepared.Splits(validation="validation", test="test")
_SPLITS: Mapping[str, prepared.Splits] = {
    "digits": _OWN,
    "digits_folds": _OWN,
    # As many images for the search as in the paper.
    "imagenet2012": prepared.Splits(test="validation", limit=10_000),
    "i_naturalist2018": prepared.Splits(test="validation"),
}
_UNREADABLE = (
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
)
_T = TypeVar("_T")
_TINY = 64  # Pixels of a side up to which nothing is cropped away.
_REASON = 1_000  # Characters of what TFDS says, at most.


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set on disk, ready to be read.

    Attributes:
      source: Labels and normalization.
      images: Images of each split.
      positions: Place of each class of `images` among `source.labels`. None:
        they are the same.
      max_pixels: Largest number of pixels of an image that is decoded.
    """

    source: Source
    images: prepared.Prepared | image_folder.ImageFolder
    positions: tuple[int, ...] | None = None
    max_pixels: int = pixel_limit.PIXELS

    def seen_as(self, source: Source) -> "Dataset":
        """The same images for a network that was trained on others.

        Classes are matched by name. Pixels are cropped and normalized as the
        network was trained.

        Args:
          source: Properties of the data set that the network was trained on.

        Raises:
          InputError: The network does not know a class.
        """
        places = source_lib.positions(self.source.labels, source.labels)
        same = places == tuple(range(source.num_classes))
        return dataclasses.replace(
            self, source=source, positions=None if same else places
        )

    def record(self, split: Split) -> dict[str, int | str]:
        """Size and digest of a split, which change with its images.

        Raises:
          InputError: See `num_examples`.
        """
        return {
            "images": self.num_examples(split),
            "digest": self.images.digest(split),
        }

    def summary(self) -> dict[str, int | str]:
        """What the first versions' folders remember of the splits."""
        return {
            "train": self.num_examples("train"),
            "validation": self.num_examples("validation"),
            "validation_digest": self.images.first_digest(),
        }

    def num_examples(self, split: Split) -> int:
        """The number of images of a split.

        Raises:
          InputError: The split is empty, a label is out of range, or a class
            has too few images to withhold some.
        """
        return self.images.num_examples(split)

    def read(self, split: Split) -> tf.data.Dataset:
        """Pairs (encoded image string [], label int64 []) in a fixed order.

        Raises:
          InputError: See `num_examples`.
        """
        examples = self.images.read(split)
        if self.positions is None:
            return examples
        places = tf.constant(self.positions, tf.int64)
        return examples.map(lambda image, label: (image, places[label]))

    def readable(self, batches: Iterable[_T]) -> Iterator[_T]:
        """The batches of a pipeline of this data set. See `reading`."""
        iterator = iter(batches)
        while True:
            with self.reading():
                batch = next(iterator, None)
            if batch is None:
                return
            yield batch

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Tells in one line why images cannot be read.

        Raises:
          InputError: The body reads a file that has gone or is damaged. The
            message names it.
        """
        try:
            yield
        except _UNREADABLE as error:
            fault = self.images.fault() or errors.reason(error)
            raise errors.InputError(
                f"cannot read the images: {fault}"
            ) from error


def source(name: str, data_dir: str | None = None) -> Source:
    """Labels and normalization of a data set. Reads no image.

    Args:
      name: Name of the data set. See `load`.
      data_dir: Folder of prepared data sets. See `load`. TFDS knows the class
        names of some data sets only where they are prepared. Elsewhere it
        numbers the classes.

    Raises:
      InputError: There is no data set of this name, or it does not consist of
        images with labels.
    """
    if name.startswith(names.FOLDER):
        layout = image_layout.find(name.removeprefix(names.FOLDER))
        return Source(layout.classes)
    return _source(_builder(name, _root(data_dir)), name)


def load(
    name: str,
    data_dir: str | None = None,
    max_pixels: int = pixel_limit.PIXELS,
) -> Dataset:
    """Loads a data set, and prepares it on first use.

    Args:
      name: One of `names.NAMES`, or another data set of TFDS, with an optional
        "/config:version" at its end, or "folder:" and the absolute path of a
        folder of images.
      data_dir: Folder of prepared data sets, local or of a bucket; None for
        TFDS's default.
      max_pixels: Largest number of pixels of an image. Larger ones of a folder
        are left out.

    Raises:
      InputError: The name is unknown, the data set does not consist of images
        with labels, or it cannot be prepared. In the last case `data_dir`
        cannot be written, there is no network, or files are missing that must
        be downloaded by hand.
    """
    root = _root(data_dir)
    if name.startswith(names.FOLDER):
        layout = image_layout.find(name.removeprefix(names.FOLDER))
        images = image_folder.ImageFolder(layout, root, max_pixels)
        found = Source(layout.classes)
        return _warned(Dataset(found, images, max_pixels=max_pixels), name)
    builder = _builder(name, root)
    # Now rather than after hours of preparing a data set that cannot be used.
    found = _source(builder, name)
    if not builder.data_path.exists():
        _prepare(builder, name, root)
        builder = _builder(name, root)
        found = _source(builder, name)  # Now with the names of the classes.
    images = prepared.Prepared(builder, found.labels, _SPLITS.get(builder.name))
    return _warned(Dataset(found, images, max_pixels=max_pixels), name)


def _warned(dataset: Dataset, name: str) -> Dataset:
    """The data set. A warning is logged if nothing can be learned from it."""
    if dataset.source.num_classes == 1:
        _LOGGER.warning(
            "%s has one class only, %s: every model is right on every image",
            name,
            *dataset.source.labels,
        )
    return dataset


def _root(data_dir: str | None) -> str:
    """The folder of prepared data sets."""
    return os.path.expanduser(data_dir or "~/tensorflow_datasets")


def _builder(name: str, root: str) -> tfds.core.DatasetBuilder:
    # TFDS runs the data set's own code, which may raise any exception.
    try:
        return tfds.builder(name, data_dir=root)
    except tfds.core.DatasetNotFoundError as error:
        raise errors.InputError(
            f"dataset is {name!r}; it must be one of "
            f"{', '.join(names.NAMES)}, or another one of tensorflow-datasets"
        ) from error
    except Exception as error:
        raise errors.InputError(
            f"dataset is {name!r}, which tensorflow-datasets cannot open in "
            f"{root}: {_reason(error)}"
        ) from error


def _source(builder: tfds.core.DatasetBuilder, name: str) -> Source:
    """The labels and the normalization that a builder tells.

    Raises:
      InputError: The data set does not consist of images with labels.
    """
    features = dict(getattr(builder.info.features, "items", dict)())
    image, label = features.get("image"), features.get("label")
    if (
        not isinstance(image, tfds.features.Image)
        or image.tf_dtype not in (tf.uint8, tf.uint16)
        or not isinstance(label, tfds.features.ClassLabel)
        or not label.num_classes
    ):
        raise errors.InputError(
            f"dataset is {name!r}; it must have the features image, "
            "of 8 or 16 bits, and label, of classes; it has "
            f"{', '.join(features) or 'none'}"
        )
    labels = tuple(label.names)
    height, width, _ = image.shape
    is_tiny = None not in (height, width) and max(height, width) <= _TINY
    crop = None if is_tiny else source_lib.CROP
    if isinstance(builder, digits.Digits):
        return Source(labels, digits.MEAN, digits.STD, crop)
    return Source(labels, crop=crop)


def _prepare(builder: tfds.core.DatasetBuilder, name: str, root: str) -> None:
    is_local = "://" not in root
    is_new = is_local and files.is_new(root)
    if not progress.on_terminal():
        tfds.disable_progress_bar()
    try:
        alone = _alone(root, builder.name)
        with alone if is_local else contextlib.nullcontext():
            if builder.data_path.exists():  # By the process that had the lock.
                return
            _LOGGER.info("preparing %s, once", name)
            with contextlib.redirect_stdout(io.StringIO()):
                builder.download_and_prepare()
    except errors.InputError:
        raise
    except Exception as error:  # As in `_builder`.
        if is_new:
            _remove_empty(root)
        raise errors.InputError(
            f"cannot prepare {name}: {_reason(error)}"
        ) from error


@contextlib.contextmanager
def _alone(root: str, name: str) -> Iterator[None]:
    """Waits for a process that prepares the same, and keeps others out.

    Raises:
      InputError: The folder cannot be written.
    """
    files.require_writable(root)
    folder = f"{root}/.preparing/{name}"
    with files.lock(folder, waits=True):
        try:
            yield
        finally:  # Who waits has the lock's file open.
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(folder))


def _reason(error: Exception) -> str:
    """One line of what an exception says."""
    text = " ".join(str(error).split()) or repr(error)
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"


def _remove_empty(folder: str) -> None:
    """Removes a folder and the folders in it, except those with files."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
