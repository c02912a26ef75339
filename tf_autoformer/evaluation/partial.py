"""The file that keeps what is known of a generation before its end."""

import json
import logging
import pathlib
import time
from collections.abc import Sequence

import numpy as np

from tf_autoformer import errors, files
from tf_autoformer.evaluation import bits
from tf_autoformer.space import architecture as architecture_lib

_LOGGER = logging.getLogger(__name__)
# Seconds of work between two writings. A crash loses no more than them.
_SECONDS = 60


class Partial:
    """The answers to the first images, in a file that a long pass has.

    Args:
      path: Path of the file. None: nothing is kept.
      architectures: Architectures of the generation.
      images: Number of images, and of those of a batch. A file of others is
        not used.
    """

    def __init__(
        self,
        path: pathlib.Path | None,
        architectures: Sequence[architecture_lib.Architecture],
        images: tuple[int, int],
    ):
        self._path = path
        self._names = [each.to_dict() for each in architectures]
        self._images = list(images)
        self._saved = time.monotonic()

    def load(self) -> tuple[int, list[np.ndarray]]:
        """What the file has.

        Returns:
          Number of images that the pass has seen, and the answers of each
          architecture so far, bool [images].
        """
        nothing = 0, [np.zeros([0], bool) for _ in self._names]
        if self._path is None or not self._path.exists():
            return nothing
        try:
            values = files.read_json(self._path)
            if values["images"] != self._images:
                return nothing
            found = {str(name): code for name, *code in values["right"]}
            right = [bits.decode(*found[str(name)]) for name in self._names]
            seen = int(values["seen"])
        except (errors.InputError, KeyError, TypeError, ValueError):
            return nothing  # Of another generation.
        _LOGGER.info("continuing after %d images", seen)
        return seen, right

    def save(
        self, seen: int, right: Sequence[np.ndarray], now: bool = False
    ) -> None:
        """Writes the answers, unless it has just done so.

        Args:
          seen: Number of images that the pass has seen.
          right: Answers of each architecture so far.
          now: Whether to write in any case.

        Raises:
          InputError: The file cannot be written.
        """
        due = now or time.monotonic() - self._saved > _SECONDS
        if self._path is None or not due or not seen:
            return
        answers = [
            [name, bits.encode(each), len(each)]
            for name, each in zip(self._names, right, strict=True)
        ]
        values = {"images": self._images, "seen": seen, "right": answers}
        files.write_text(self._path, json.dumps(values))
        self._saved = time.monotonic()
