"""The data sets that can be named, and how they are loaded."""

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
    prepared,
    withholding,
)

_LOGGER = logging.getLogger(__name__)
Split = withholding.Split

NAMES = (
    "digits",
    "imagenet2012",
    "cifar10",
    "cifar100",
    "oxford_flowers102",
    "cars196",
    "oxford_iiit_pet",
    "i_naturalist2018",
)
# Before the path, a folder of images as the name of a data set.
FOLDER = "folder:"

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
    """Facts about a data set besides its images.

    Attributes:
      labels: Names of the classes, in order.
      mean: Mean of the training images' pixels in [0, 1], for each channel;
        ImageNet's by default, as is usual.
      std: Standard deviation of these pixels, for each channel; ImageNet's by
        default.
      crop: Share of each side that is kept; None to keep all. See
        `data.preprocessing.to_rgb`.
    """

    labels: tuple[str, ...]
    mean: tuple[float, float, float] = _IMAGENET_MEAN
    std: tuple[float, float, float] = _IMAGENET_STD
    crop: float | None = _CROP

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set on disk, ready to be read.

    Attributes:
      source: Facts about the data set besides the images.
      images: Images of each split.
    """

    source: Source
    images: prepared.Prepared | image_folder.ImageFolder

    def summary(self) -> dict[str, int | str]:
        """Sizes and digest of the splits, which tell other splits apart."""
        return {
            "train": self.num_examples("train"),
            "validation": self.num_examples("validation"),
            "validation_digest": self.images.digest(),
        }

    def num_examples(self, split: Split) -> int:
        """Number of images of a split.

        Raises:
          InputError: There are none, a label is out of range, or a class has
            too few images to withhold some.
        """
        return self.images.num_examples(split)

    def read(self, split: Split) -> tf.data.Dataset:
        """Reads the images of a split, in a fixed order.

        Returns:
          Examples (encoded image, string []; label, int64 []).

        Raises:
          InputError: The split cannot be used; see `num_examples`.
        """
        return self.images.read(split)


def source(name: str, data_dir: str | None = None) -> Source:
    """Finds the facts about a data set without reading an image.

    Args:
      name: Name of the data set; see `load`.
      data_dir: Folder of prepared data sets; see `load`. TFDS knows the names
        of some data sets' classes only where these are prepared, and numbers
        them elsewhere.

    Raises:
      InputError: No data set has this name, or it is not of images with
        labels.
    """
    if name.startswith(FOLDER):
        layout = image_folder.find_layout(name[len(FOLDER) :])
        return Source(layout.classes)
    return _source(_builder(name, _root(data_dir)), name)


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads a data set, preparing it on first use.

    Args:
      name: One of `NAMES`, another name of TFDS, which can end in
        "/config:version", or "folder:" and the absolute path of a folder.
      data_dir: Folder of prepared data sets, local or in a bucket; None for
        TFDS's default.

    Raises:
      InputError: The name is unknown, the data set is not of images with
        labels, or it cannot be prepared. In the last case `data_dir` cannot be
        written, there is no network, or files are missing that must be got by
        hand.
    """
    root = _root(data_dir)
    if name.startswith(FOLDER):
        layout = image_folder.find_layout(name[len(FOLDER) :])
        images = image_folder.ImageFolder(layout, root)
        return Dataset(Source(layout.classes), images)
    builder = _builder(name, root)
    # Before hours of preparing a data set that is of no use.
    found = _source(builder, name)
    if not builder.data_path.exists():
        _prepare(builder, name, root)
        found = _source(builder, name)  # With the names of the classes.
    splits = _SPLITS.get(builder.name)
    return Dataset(found, prepared.Prepared(builder, found.labels, splits))


def _root(data_dir: str | None) -> str:
    """The folder of prepared data sets."""
    return os.path.expanduser(data_dir or "~/tensorflow_datasets")


def _builder(name: str, root: str) -> tfds.core.DatasetBuilder:
    # TFDS runs code of the data set's, which fails in any way.
    try:
        return tfds.builder(name, data_dir=root)
    except tfds.core.DatasetNotFoundError as error:
        raise errors.InputError(
            f"dataset is {name!r}; it must be one of {', '.join(NAMES)}, or "
            "another one of tensorflow-datasets"
        ) from error
    except Exception as error:
        raise errors.InputError(
            f"dataset is {name!r}, which tensorflow-datasets cannot open in "
            f"{root}: {_reason(error)}"
        ) from error


def _source(builder: tfds.core.DatasetBuilder, name: str) -> Source:
    """The facts that the builder knows.

    Raises:
      InputError: The data set is not of images with labels.
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
    """Removes a folder and those in it, as far as they hold no file."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
