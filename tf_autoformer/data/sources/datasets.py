"""Data sets by name: what is known of them, and how they are loaded."""

import contextlib
import dataclasses
import io
import logging
import os
from collections.abc import Mapping

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_autoformer import errors, files, progress
from tf_autoformer.data.sources import (
    digits,
    image_folder,
    names,
    prepared,
)

_LOGGER = logging.getLogger(__name__)
Split = names.Split

_SPLITS: Mapping[str, prepared.Splits] = {
    "digits": prepared.Splits(validation="validation", test="test"),
    # As many images for the search as in the paper.
    "imagenet2012": prepared.Splits(test="validation", limit=10_000),
    "i_naturalist2018": prepared.Splits(test="validation"),
}
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CROP = 0.875  # 224 pixels out of 256, as ImageNet is usually evaluated.
_TINY = 64  # Pixels of a side up to which nothing is cropped away.
_REASON = 1_000  # Characters of what TFDS says, at most.


@dataclasses.dataclass(frozen=True)
class Source:
    """Properties of a data set that are known without reading its images.

    Attributes:
      labels: Names of the classes, in order.
      mean: Mean of each channel over the training images, whose pixels are in
        [0, 1]. Default: ImageNet's.
      std: Standard deviation of each channel. Default: ImageNet's.
      crop: Share of the sides that is kept. See `data.preprocessing.to_rgb`.
    """

    labels: tuple[str, ...]
    mean: tuple[float, float, float] = _IMAGENET_MEAN
    std: tuple[float, float, float] = _IMAGENET_STD
    crop: float | None = _CROP

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set on disk, ready to be read.

    Attributes:
      source: Labels and normalization.
      images: Images of each split.
    """

    source: Source
    images: prepared.Prepared | image_folder.ImageFolder

    def summary(self) -> dict[str, int | str]:
        """Figures that change if training and search would see other splits."""
        return {
            "train": self.num_examples("train"),
            "validation": self.num_examples("validation"),
            "validation_digest": self.images.digest(),
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
        return self.images.read(split)


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
        layout = image_folder.find_layout(name.removeprefix(names.FOLDER))
        return Source(layout.classes)
    return _source(_builder(name, _root(data_dir)), name)


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads a data set, and prepares it on first use.

    Args:
      name: One of `names.NAMES`, or another data set of TFDS, with an optional
        "/config:version" at its end, or "folder:" and the absolute path of a
        folder of images.
      data_dir: Folder of prepared data sets, local or of a bucket; None for
        TFDS's default.

    Raises:
      InputError: The name is unknown, the data set does not consist of images
        with labels, or it cannot be prepared. In the last case `data_dir`
        cannot be written, there is no network, or files are missing that must
        be downloaded by hand.
    """
    root = _root(data_dir)
    if name.startswith(names.FOLDER):
        layout = image_folder.find_layout(name.removeprefix(names.FOLDER))
        images = image_folder.ImageFolder(layout, root)
        return _warned(Dataset(Source(layout.classes), images), name)
    builder = _builder(name, root)
    # Now rather than after hours of preparing a data set that cannot be used.
    found = _source(builder, name)
    if not builder.data_path.exists():
        _prepare(builder, name, root)
        found = _source(builder, name)  # Now with the names of the classes.
    images = prepared.Prepared(builder, found.labels, _SPLITS.get(builder.name))
    return _warned(Dataset(found, images), name)


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
    crop = None if is_tiny else _CROP
    if builder.name == "digits":
        return Source(labels, digits.MEAN, digits.STD, crop)
    return Source(labels, crop=crop)


def _prepare(builder: tfds.core.DatasetBuilder, name: str, root: str) -> None:
    is_local = "://" not in root
    is_new = is_local and files.is_new(root)
    if is_local:
        files.require_writable(root)
    _LOGGER.info("preparing %s, once", name)
    if not progress.on_terminal():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
    except Exception as error:  # As in `_builder`.
        if is_new:
            _remove_empty(root)
        raise errors.InputError(
            f"cannot prepare {name}: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """One line of what an exception says."""
    text = " ".join(str(error).split()) or repr(error)
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"


def _remove_empty(folder: str) -> None:
    """Removes a folder and the folders in it, except those with files."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
