"""A folder with a folder of images for each class, as a data set.

The layout is the one of `tfds.ImageFolder`. Training and test images may also
share one folder.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, rules
from tf_autoformer.data.sources import image_check, withholding

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
# Names of a folder of validation images.
_VALIDATION = ("validation", "val")


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders that the images are in.

    Attributes:
      root: Absolute path of the data set.
      training: Folders in `root` with images to train on and to withhold.
      test: Folder in `root` with images to report on. None: withhold some.
      classes: Names of the classes' folders, in order.
    """

    root: str
    training: tuple[str, ...]
    test: str | None
    classes: tuple[str, ...]


def find_layout(root: str) -> Layout:
    """Finds the layout. Looks at folders only, not at files.

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
    if os.path.isdir(os.path.join(root, "train")):
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
    return Layout(root, training, test, tuple(classes))


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
        files = {
            path: stat
            for part in (*layout.training, layout.test)
            if part is not None
            for path, stat in _images(layout, part).items()
        }
        bad = set(image_check.unreadable(layout.root, files, data_dir))
        paths = [path for path in files if path not in bad]
        # Sort by hash, so that the withheld split is unrelated to what names
        # encode, such as a date.
        paths.sort(key=lambda path: (_digest(path), path))
        self._paths = np.array(paths, object)
        label_of = {name: label for label, name in enumerate(layout.classes)}
        self._labels = np.array(
            [label_of[path.split(os.sep)[-2]] for path in paths], np.int64
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
        paths = [
            os.fsencode(os.path.join(self._layout.root, path))
            for path in self._paths[mask]
        ]
        return tf.data.Dataset.from_tensor_slices(
            (paths, self._labels[mask])
        ).map(
            lambda path, label: (tf.io.read_file(path), label),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def digest(self) -> str:
        """A digest that differs if the validation split has other files."""
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


def _images(layout: Layout, part: str) -> Mapping[str, os.stat_result]:
    """Mapping of the paths of a part's images in the root to file states."""
    found = {}
    for name in layout.classes:
        folder = _join(layout.root, part, name)
        files = {
            os.path.normpath(os.path.join(part, name, entry.name)): entry
            for entry in _entries(folder)
            if entry.name.lower().endswith(SUFFIXES)
            and not entry.name.startswith(".")
        }
        if not files and part == layout.training[0]:
            raise errors.InputError(
                f"image_folder is {layout.root!r}; {folder} must hold images, "
                f"but has no file {', '.join(SUFFIXES)}"
            )
        found |= {path: _state(entry) for path, entry in files.items()}
    if not found:
        raise errors.InputError(
            f"image_folder is {layout.root!r}; {_join(layout.root, part)} "
            "must hold images in its classes' folders, but has none"
        )
    return found


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
        if entry.is_dir() and not entry.name.startswith(".")
    ]


def _join(*parts: str) -> str:
    return os.path.normpath(os.path.join(*parts))


def _digest(path: str) -> bytes:
    return hashlib.md5(os.fsencode(path), usedforsecurity=False).digest()
