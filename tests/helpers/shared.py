"""Folders that are made once for all processes of the tests."""

import atexit
import fcntl
import functools
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable

import tensorflow as tf

from tests.helpers import commands, processes
from tf_autoformer.data.sources import datasets
from tf_autoformer.serving import savedmodel
from tf_autoformer.supernet import supernet

# Names the folder of all processes. A test file that runs as a program has a
# folder of its own.
VARIABLE = "TF_AUTOFORMER_TESTS_FOLDER"
FLAGS = commands.ROOT / "flags" / "digits"
# Steps of each training.
STEPS = 9  # Half an epoch of 1,149 images.
FULL_RECIPE_STEPS = 12
TRAIN = (
    f"--flagfile={FLAGS / 'supernet.flags'}",
    f"--search_space={commands.TINY_SPACE}",
    "--epochs=0.5",
    "--warmup_epochs=0.1",
    "--log_every=3",
    "--checkpoint_every=3",
    "--watched_subnets=1",
)
MAX_PARAMS = 20_000
SEARCH = (
    f"--flagfile={FLAGS / 'search.flags'}",
    f"--max_params={MAX_PARAMS}",
    "--population=6",
    "--generations=3",
    "--parents=3",
    "--crossovers=2",
    "--mutations=2",
)


@functools.cache
def _root() -> pathlib.Path:
    if VARIABLE in os.environ:
        return pathlib.Path(os.environ[VARIABLE])
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return pathlib.Path(folder.name)


@functools.cache
def _made(make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """The folder that `make` makes, which only the first process calls."""
    folder = _root() / make.__name__
    is_made = folder.with_suffix(".made")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            is_made.touch()
    return folder


def _run(binary: str, workdir: pathlib.Path, *arguments: str) -> None:
    commands.finish(
        processes.start(
            binary, *arguments, f"--workdir={workdir}", f"--data_dir={digits()}"
        )
    )


def digits() -> pathlib.Path:
    """A folder of prepared data sets with the digits."""
    return _made(_digits)


def _digits(folder: pathlib.Path) -> None:
    datasets.load("digits", str(folder))


def trained() -> pathlib.Path:
    """A working folder after `train` with `TRAIN`; not to be changed."""
    return _made(_trained)


def _trained(folder: pathlib.Path) -> None:
    _run("train", folder, *TRAIN)


def searched() -> pathlib.Path:
    """A copy of it after `search` with `SEARCH`; not to be changed."""
    return _made(_searched)


def _searched(folder: pathlib.Path) -> None:
    shutil.copytree(trained(), folder)
    _run("search", folder, *SEARCH)


def exported() -> pathlib.Path:
    """A folder with two versions of an export, with different weights.

    It is not to be changed.
    """
    return _made(_exported)


def _exported(folder: pathlib.Path) -> None:
    from tests.helpers import tiny  # It imports this module.

    source = datasets.source("digits")
    for seed in (1, 2):
        tf.keras.utils.set_random_seed(seed)
        savedmodel.export(
            supernet.Supernet(tiny.DIGITS_MODEL, tiny.SMALL_SPACE),
            tiny.SMALL_SPACE.largest,
            source,
            folder / str(seed),
        )


def whole_recipe() -> pathlib.Path:
    """A working folder after a training with everything on, on one device."""
    return _made(_whole_recipe)


def _whole_recipe(folder: pathlib.Path) -> None:
    _run("train", folder, *full_recipe(), "--strategy=one_device")


def full_recipe() -> tuple[str, ...]:
    """Flags of that training, but for the folders.

    It is short, and of a tiny supernet.
    """
    return (
        f"--flagfile={FLAGS / 'full_recipe.flags'}",
        f"--search_space={commands.FULL_RECIPE_SPACE}",
        "--batch_size=64",
        f"--epochs={FULL_RECIPE_STEPS * 64 / 1149}",
        "--warmup_epochs=0.2",
        "--ema_decay=0.9",
        "--clip_norm=1",
        "--accumulation=2",
        "--log_every=1",
        "--checkpoint_every=1",
        "--watched_subnets=0",
    )
