"""What each test file does by itself when it runs as a program."""

import gc
import os
import pathlib
import tempfile

import pytest
from absl import flags

VARIABLE = "TF_AUTOFORMER_TESTS_FOLDER"  # See `shared`.

flags.FLAGS.mark_as_parsed()  # absltest reads its folders from flags.


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder that all processes of the tests share."""
    if not hasattr(config, "workerinput"):  # Workers inherit it.
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        os.environ[VARIABLE] = folder.name


def pytest_collectstart() -> None:
    """Prepares TensorFlow, which must precede the first operation of any file.

    Not earlier: a process that only hands out the tests needs no TensorFlow.
    """
    from tests.helpers import devices

    devices.prepare()


def pytest_collection_modifyitems(items: list) -> None:
    """Starts with the files that take longest: those that run binaries."""
    here = pathlib.Path(__file__).parent
    items.sort(key=lambda item: item.path.parent != here)


def pytest_collection_finish() -> None:
    """Takes the libraries out of the garbage collection. See `frozen`."""
    gc.collect()
    gc.freeze()
