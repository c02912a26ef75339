"""A folder with a folder of images for each class, as a data set.

The layout is the one of `tfds.ImageFolder`. Training and test images may also
share one folder.
"""

import dataclasses
import functools
import hashlib
import logging
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, rules
from tf_autoformer.data.sources import image_check, pillow, withholding

_LOGGER = logging.getLogger(__name__)

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".jfif", ".png"),
    *(".tif", ".tiff", ".webp"),  # Pillow converts these.
)
# Names of a folder of validation images.
_VALIDATION = ("validation", "val", "valid")
_NAMED = 5  # Files that are left out for one reason, in the log.


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders that the images are in.

    Attributes:
      root: Absolute path of the data set.
      training: Folders in `root` with images to train on and to withhold.
      test: Folder in `root` with images to report on. None: withhold some.
      classes: Names of the classes' folders, in order.
      unused: Folders in `root` that are no part of the data set.
    """

    root: str
    training: tuple[str, ...]
    test: str | None
    classes: tuple[str, ...]
    unused: tuple[str, ...]


def find_layout(root: str) -> Layout:
    """Finds the layout. Looks at names only, and into no file.

    A folder "train", "test" or the like that holds images, and no folders, is
    a class of this name.

    Args:
      root: Absolute path of the data set.

    Raises:
      InputError: There is no such folder, it has no classes, or a part has a
        class that the training folder has not.
    """
    if not os.path.isdir(root):
        what = "is a file" if os.path.exists(root) else "does not exist"
        raise errors.InputError(
            f"image_folder is {root!r}; it must be a folder, but {what}"
        )
    # A folder without classes has images without labels, and does not count.
    test, *validation = [
        name
        for name in ("test", *_VALIDATION)
        if _folders(os.path.join(root, name))
    ] or [None]
    if _folders(os.path.join(root, "train")) or _is_empty(root, "train"):
        training = ("train", *validation[:1]) if test == "test" else ("train",)
    elif test is None:
        training = (".",)
    else:
        raise errors.InputError(
            f"image_folder is {root!r}; it has a folder {test}, and must have "
            "a folder train"
        )
    classes = _folders(os.path.join(root, training[0]))
    if not classes:
        raise errors.InputError(
            f"image_folder is {root!r}; {_join(root, training[0])} must hold "
            "a folder of images for each class, but holds no folder"
        )
    for name in classes:  # Exports hold these names, as TensorFlow's strings.
        if not rules.is_utf8(name):
            raise errors.InputError(
                f"image_folder is {root!r}; the name of its class {name!r} "
                "must be in UTF-8"
            )
    for part in (*training[1:], *([] if test is None else [test])):
        for name in _folders(os.path.join(root, part)):
            if name not in classes:
                raise errors.InputError(
                    f"image_folder is {root!r}; {part} has a class {name!r} "
                    f"that {training[0]} has not"
                )
    used = {*training, test}
    unused = [] if training[0] == "." else _folders(root)
    return Layout(
        root,
        training,
        test,
        tuple(classes),
        tuple(name for name in unused if name not in used),
    )


class ImageFolder:
    """The readable images of a folder.

    Args:
      layout: Folders that the images are in.
      data_dir: Folder of prepared data sets. The list of unreadable files is
        kept there.

    Raises:
      InputError: A folder cannot be read, or a class has no image.
    """

    def __init__(self, layout: Layout, data_dir: str):
        self._layout = layout
        found = [
            _files(layout, part)
            for part in (*layout.training, layout.test)
            if part is not None
        ]
        images = {
            path: stat for part in found for path, stat in part.images.items()
        }
        checked = image_check.check(layout.root, images, data_dir)
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
                    lambda: pillow.converted(content),
                    lambda: content,
                )
            return content, label

        return tf.data.Dataset.from_tensor_slices(
            (paths, self._labels[mask], foreign)
        ).map(
            tf.autograph.experimental.do_not_convert(read),
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
        return _listed(found) if found else None

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


def _require_all_classes(labels: np.ndarray, layout: Layout) -> None:
    sizes = np.bincount(labels, minlength=len(layout.classes))
    for name, size in zip(layout.classes, sizes, strict=True):
        if not size:
            raise errors.InputError(
                f"class {name!r} has no readable training image"
            )


class _Files(NamedTuple):
    """Files of a part of the data set.

    Attributes:
      images: Mapping of the paths of images in the root to file states.
      others: Paths of files whose name is none of an image.
      loose: Paths of images in no class's folder.
    """

    images: dict[str, os.stat_result]
    others: list[str]
    loose: list[str]


def _files(layout: Layout, part: str) -> _Files:
    """The files of a part's classes, in all folders below them."""
    found = _Files({}, [], [])
    for entry in _entries(_join(layout.root, part)):
        if _is_image(entry):
            found.loose.append(os.path.normpath(os.path.join(part, entry.name)))
    for name in layout.classes:
        folder = _join(layout.root, part, name)
        before = len(found.images)
        _walk(folder, os.path.normpath(os.path.join(part, name)), (), found)
        if len(found.images) == before and part == layout.training[0]:
            raise errors.InputError(
                f"image_folder is {layout.root!r}; {folder} must hold images, "
                f"but has no file {', '.join(SUFFIXES)}"
            )
    if not found.images:
        raise errors.InputError(
            f"image_folder is {layout.root!r}; {_join(layout.root, part)} "
            "must hold images in its classes' folders, but has none"
        )
    return found


def _walk(
    folder: str, name: str, above: tuple[str, ...], found: _Files
) -> None:
    """Adds the files of a folder and of those in it, also behind links.

    Args:
      folder: Path of the folder.
      name: Path of the folder in the data set.
      above: Real paths of the folders that it is in.
      found: Files to add to.
    """
    real = os.path.realpath(folder)
    if real in above:  # A link to a folder that the link is in.
        return
    for entry in _entries(folder):
        path = os.path.join(name, entry.name)
        if _is_image(entry):
            found.images[path] = _state(entry)
        elif entry.name.startswith("."):
            continue
        elif _is_folder(entry):
            _walk(entry.path, path, (*above, real), found)
        else:
            found.others.append(path)


def _tell_left_out(
    layout: Layout, found: Sequence[_Files], checked: image_check.Checked
) -> None:
    """Logs in one line what is in the folder and left out, by reason."""
    reasons = {
        **checked.left_out,
        f"without a suffix of images, {', '.join(SUFFIXES)}": [
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
        f"{len(paths):,} {reason}: {_listed(paths)}"
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


def _listed(texts: Sequence[str]) -> str:
    """The first of some texts, and the number of the others."""
    more = len(texts) - _NAMED
    shown = ", ".join(texts[:_NAMED])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _is_image(entry: os.DirEntry) -> bool:
    """Whether a file, or a link, is an image by its name."""
    name = entry.name.lower()
    return (
        name.endswith(SUFFIXES)
        and not name.startswith(".")
        and not _is_folder(entry)
    )


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link in a circle.
        return False


def _is_empty(root: str, name: str) -> bool:
    """Whether a folder exists and holds nothing but hidden files."""
    folder = os.path.join(root, name)
    return os.path.isdir(folder) and all(
        entry.name.startswith(".") for entry in _entries(folder)
    )


def _state(entry: os.DirEntry) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:  # A link to nowhere. The image check will find it.
        return entry.stat(follow_symlinks=False)


def _entries(folder: str) -> list[os.DirEntry]:
    if not os.path.isdir(folder):  # A class that only other parts have.
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise errors.InputError(
            f"cannot read {folder}: {error.strerror}"
        ) from error


def _folders(folder: str) -> list[str]:
    """Names of the folders in a folder, without hidden ones."""
    return [
        entry.name
        for entry in _entries(folder)
        if _is_folder(entry) and not entry.name.startswith(".")
    ]


def _join(*parts: str) -> str:
    return os.path.normpath(os.path.join(*parts))


def _digest(path: str) -> bytes:
    return hashlib.md5(os.fsencode(path), usedforsecurity=False).digest()
