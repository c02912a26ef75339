"""A folder with a folder of images for each class, as a data set."""

import functools
import hashlib
import logging
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data.sources import (
    image_check,
    image_layout,
    pillow,
    withholding,
)

_LOGGER = logging.getLogger(__name__)

_NAMED = 5  # Files that are left out for one reason, in the log.


class ImageFolder:
    """The readable images of a folder.

    Args:
      layout: Folders that the images are in.
      data_dir: Folder of prepared data sets. The list of unreadable files is
        kept there.
      max_pixels: Largest number of pixels of an image. Larger ones are left
        out.

    Raises:
      InputError: A folder cannot be read, or a class has no image.
    """

    def __init__(
        self, layout: image_layout.Layout, data_dir: str, max_pixels: int
    ):
        self._layout = layout
        self._max_pixels = max_pixels
        found = [
            image_layout.files(layout, part)
            for part in (*layout.training, layout.test)
            if part is not None
        ]
        images = {
            path: stat for part in found for path, stat in part.images.items()
        }
        checked = image_check.check(layout.root, images, data_dir, max_pixels)
        _tell_left_out(layout, found, checked)
        # Sort by hash, so that the withheld split is unrelated to what names
        # encode, such as a date.
        paths = sorted(
            checked.fingerprints, key=lambda path: (_digest(path), path)
        )
        self._paths = np.array(paths, object)
        self._states = images
        self._checked = checked
        label_of = {name: label for label, name in enumerate(layout.classes)}
        depth = 0 if layout.training[0] == "." else 1
        self._labels = np.array(
            [label_of[path.split(os.sep)[depth]] for path in paths], np.int64
        )

    def num_examples(self, split: withholding.Split) -> int:
        """The number of images of a split.

        Raises:
          InputError: A class has too few images.
        """
        return int(np.count_nonzero(self._masks[split]))

    def read(self, split: withholding.Split) -> tf.data.Dataset:
        """Pairs (encoded image string [], label int64 []) in a fixed order.

        Raises:
          InputError: See `num_examples`.
        """
        mask = self._masks[split]
        chosen = self._paths[mask]
        paths = [
            os.fsencode(os.path.join(self._layout.root, path))
            for path in chosen
        ]
        foreign = [path in self._checked.converted for path in chosen]

        def read(
            path: tf.Tensor, label: tf.Tensor, is_foreign: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            content = tf.io.read_file(path)
            if any(foreign):
                content = tf.cond(
                    is_foreign,
                    lambda: pillow.converted(content, self._max_pixels),
                    lambda: content,
                )
            return content, label

        return tf.data.Dataset.from_tensor_slices(
            (paths, self._labels[mask], foreign)
        ).map(
            read,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def fault(self) -> str | None:
        """The files that have changed since they were listed, in words."""
        found = []
        for path in self._paths:
            try:
                now = os.stat(os.path.join(self._layout.root, path))
            except OSError:
                found.append(f"{path} is gone")
                continue
            before = self._states[path]
            if (now.st_size, now.st_mtime_ns) != (
                before.st_size,
                before.st_mtime_ns,
            ):
                found.append(f"{path} has changed")
        return errors.listed(found, _NAMED) if found else None

    def digest(self, split: withholding.Split) -> str:
        """A digest that differs if the split has other files.

        A file counts with its path in the folder and its content.

        Raises:
          InputError: See `num_examples`.
        """
        found = hashlib.sha256()
        for path in self._paths[self._masks[split]]:
            found.update(os.fsencode(path) + b"\0")
            found.update(self._checked.fingerprints[path].encode())
        return found.hexdigest()

    def first_digest(self) -> str:
        """The digest of the validation split in the first versions' folders."""
        paths = "\n".join(self._paths[self._masks["validation"]])
        return _digest(paths).hex()

    @functools.cached_property
    def _masks(self) -> dict[str, np.ndarray]:
        """Mapping of each split to its images, bool [images]."""
        layout = self._layout
        is_test = np.array(
            [path.split(os.sep)[0] == layout.test for path in self._paths],
            bool,
        )
        training = np.flatnonzero(~is_test)
        withheld = ["validation"] if layout.test else ["test", "validation"]
        with errors.about(layout.root):
            _require_all_classes(self._labels[training], layout)
            parts = withholding.divide(
                self._labels[training], layout.classes, withheld
            )
        masks = {"test": is_test}
        for split, part in parts.items():
            masks[split] = np.zeros(len(self._paths), bool)
            masks[split][training[part]] = True
        return masks


def _require_all_classes(
    labels: np.ndarray, layout: image_layout.Layout
) -> None:
    sizes = np.bincount(labels, minlength=len(layout.classes))
    for name, size in zip(layout.classes, sizes, strict=True):
        if not size:
            raise errors.InputError(
                f"class {name!r} has no readable training image"
            )


def _tell_left_out(
    layout: image_layout.Layout,
    found: Sequence[image_layout.Files],
    checked: image_check.Checked,
) -> None:
    """Logs in one line what is in the folder and left out, by reason."""
    reasons = {
        **checked.left_out,
        f"without a suffix of images, {', '.join(image_layout.SUFFIXES)}": [
            path for part in found for path in part.others
        ],
        "in no folder of a class": [
            path for part in found for path in part.loose
        ],
        "folders that are no part of it": [
            f"{name}{os.sep}" for name in layout.unused
        ],
    }
    reasons = {reason: paths for reason, paths in reasons.items() if paths}
    if not reasons:
        return
    total = sum(len(files) for part in found for files in part)
    listed = "; ".join(
        f"{len(paths):,} {reason}: {errors.listed(paths, _NAMED)}"
        for reason, paths in reasons.items()
    )
    more = any(len(paths) > _NAMED for paths in checked.left_out.values())
    _LOGGER.warning(
        "left out of the %s files in %s: %s%s",
        f"{total:,}",
        layout.root,
        listed,
        f"; all are listed in {checked.kept_at}" if more else "",
    )


def _digest(path: str) -> bytes:
    return hashlib.md5(os.fsencode(path), usedforsecurity=False).digest()
