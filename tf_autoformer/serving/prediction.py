"""Predictions for files and folders, a batch at a time."""

import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tf_autoformer import errors
from tf_autoformer.serving import classifier as classifier_lib

# What is taken of a folder. A file that is named is always taken.
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_MAX_BYTES = 2**28  # Largest file that is read, so that memory is bounded.


class Prediction(NamedTuple):
    """The answer to one file.

    Attributes:
      path: Path of the file.
      classes: Likeliest classes and their probabilities, the likeliest first.
        Empty if the file could not be read.
      error: Reason why it could not be read, or "".
    """

    path: pathlib.Path
    classes: Sequence[tuple[str, float]]
    error: str


def find(arguments: Iterable[str]) -> list[pathlib.Path]:
    """The files of a command line, those in folders sorted by path.

    Args:
      arguments: Paths of files, and of folders whose images count, at any
        depth.

    Raises:
      InputError: There is nothing at a path, or no image at all.
    """
    found: list[pathlib.Path] = []
    for argument in arguments:
        path = pathlib.Path(os.path.expanduser(argument))
        if path.is_dir():
            found += sorted(
                each
                for each in path.rglob("*")
                if each.suffix.lower() in _SUFFIXES and each.is_file()
            )
        elif path.exists():
            found.append(path)
        else:
            raise errors.InputError(f"{path} does not exist")
    if not found:
        raise errors.InputError(
            "there is no image to classify; name files or folders, whose "
            f"{', '.join(_SUFFIXES)} files count"
        )
    return found


def predict(
    classifier: classifier_lib.Classifier,
    paths: Sequence[pathlib.Path],
    top: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """Classifies files. Memory holds one batch of them.

    Args:
      classifier: Model to ask.
      paths: Files to classify.
      top: Number of classes in each answer.
      batch_size: Number of files that are classified together.

    Yields:
      Prediction for each file, in order.
    """
    for start in range(0, len(paths), batch_size):
        batch = paths[start : start + batch_size]
        contents = [_read(path) for path in batch]
        is_file = [isinstance(each, bytes) for each in contents]
        answers = classifier.classify(
            [each if isinstance(each, bytes) else b"" for each in contents]
        )
        for number, path in enumerate(batch):
            reason = answers.errors[number]
            if not is_file[number]:
                reason = contents[number]
            probabilities = answers.probabilities[number]
            likeliest = np.argsort(-probabilities, kind="stable")[:top]
            classes = [
                (classifier.labels[index], float(probabilities[index]))
                for index in likeliest
            ]
            yield Prediction(path, [] if reason else classes, reason)


def _read(path: pathlib.Path) -> bytes | str:
    """The content of a file, or the reason why there is none."""
    try:
        if not path.is_file():
            return "no regular file"
        if path.stat().st_size > _MAX_BYTES:
            return f"larger than {_MAX_BYTES:,} bytes"
        return path.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
