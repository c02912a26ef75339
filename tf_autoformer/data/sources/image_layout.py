"""Where the images of a folder are: its parts, its classes and its files.

The layout is the one of `tfds.ImageFolder`. Training and test images may also
share one folder.
"""

import dataclasses
import os
from typing import NamedTuple

from tf_autoformer import errors, rules

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".jfif", ".png"),
    *(".tif", ".tiff", ".webp"),  # Pillow converts these.
)
# Names of a folder of validation images.
_VALIDATION = ("validation", "val", "valid")


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


def find(root: str) -> Layout:
    """Finds the layout. Looks at names only, and into no file.

    A folder "train", "test" or the like that holds images, and no folders, is
    a class of this name.

    Args:
      root: Absolute path of the data set.

    Raises:
      InputError: There is no such folder, it cannot be read, it has no classes,
        or a part has a class that the training folder has not.
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


class Files(NamedTuple):
    """Files of a part of the data set.

    Attributes:
      images: Mapping of the paths of images in the root to file states.
      others: Paths of files whose name is none of an image.
      loose: Paths of images in no class's folder.
    """

    images: dict[str, os.stat_result]
    others: list[str]
    loose: list[str]


def files(layout: Layout, part: str) -> Files:
    """The files of a part's classes, in all folders below them.

    Args:
      layout: Layout of the folder.
      part: Folder in the root, one of the layout's.

    Raises:
      InputError: A folder cannot be read, or there is no image.
    """
    found = Files({}, [], [])
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


def _walk(folder: str, name: str, above: tuple[str, ...], found: Files) -> None:
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
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []  # A class that only other parts have.
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
