"""What each test file does by itself when it runs as a program."""

import pathlib

from absl import flags

from tests.helpers import devices

flags.FLAGS.mark_as_parsed()  # absltest reads its folders from flags.
devices.prepare()  # Must precede the first operation of any file.


def pytest_collection_modifyitems(items: list) -> None:
    """Starts with the files that take longest: those that run binaries."""
    here = pathlib.Path(__file__).parent
    items.sort(key=lambda item: item.path.parent != here)
