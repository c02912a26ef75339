r"""Classifies images with an export or a fine-tuned network.

  python -m tf_autoformer.predict --model=WORKDIR/export/1 photo.jpg photos/

Prints a table, JSON or CSV. Exits with 1 if a file could not be read.
"""

import contextlib
import dataclasses
import io
import logging
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Literal

from tf_autoformer import binary, errors, progress, rules

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of `predict`.

    Attributes:
      model: Folder of an export's version, or of a fine-tuned network.
      format: Form of the answers. "csv" has a row for each class of a file.
      top: Number of classes in each answer.
      batch_size: Number of images that are classified together.
    """

    model: pathlib.Path = rules.field(dataclasses.MISSING, rules.LITERAL_PATH)
    format: Literal["table", "json", "csv"] = "table"
    top: int = rules.field(5, rules.between(1, rules.LARGEST_SIZE))
    batch_size: int = rules.field(32, rules.between(1, 10_000))


def main(options: Options, arguments: Sequence[str]) -> None:
    """Prints the answers to the files and folders of the command line."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.serving import classifier, prediction, prediction_text

    paths = prediction.find(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name of a file need not be text.
        sys.stdout.reconfigure(errors="surrogateescape")
    failed = 0

    def told() -> Iterator[prediction.Prediction]:
        nonlocal failed
        # On a terminal the answers themselves show the progress.
        meter = progress.Meter(0, len(paths), "images", "predict")
        with contextlib.nullcontext() if sys.stdout.isatty() else meter:
            for done, each in enumerate(
                prediction.predict(
                    classifier.load(options.model),
                    paths,
                    options.top,
                    options.batch_size,
                ),
                1,
            ):
                failed += each.error != ""
                yield each
                meter.advance(done)
                if meter.due:
                    _LOGGER.info("%s", meter.line(done))

    for line in prediction_text.FORMATS[options.format](told()):
        print(line, flush=sys.stdout.isatty())
    if failed:
        raise errors.InputError(
            f"{failed} of {len(paths)} images could not be read"
        )


if __name__ == "__main__":
    binary.run(main, Options, takes_arguments=True)
