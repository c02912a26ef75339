"""Runs binaries as users type them, kills them and compares their results."""

import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from tests.helpers import processes

ROOT = pathlib.Path(__file__).parents[2]
Process = processes.Process | subprocess.Popen
_GOLDENS = ROOT / "tests" / "goldens"
# For the digits. They have one depth, so that a graph has one trace.
TINY_SPACE = _GOLDENS / "tiny_space.json"
FULL_RECIPE_SPACE = _GOLDENS / "full_recipe_space.json"


def finish(process: Process) -> tuple[str, str]:
    """Waits for the end of a binary and returns its stdout and stderr.

    Raises:
      AssertionError: The binary failed.
    """
    out, err = process.communicate()
    if process.returncode:
        raise AssertionError(f"ended with {process.returncode}: {err}")
    return out, err


def kill_when(process: Process, condition: Callable[[], bool]) -> None:
    """Kills a process once a condition holds, as a crash of the machine would.

    Raises:
      AssertionError: The process ended by itself before that.
    """
    while process.poll() is None and not condition():
        time.sleep(0.005)
    process.kill()
    _, err = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise AssertionError(f"ended with {process.returncode}: {err}")


def wait_for_line(process: processes.Process, text: str) -> None:
    """Waits until a process has written a line with this text to stderr."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"ended without {text!r}: {''.join(lines)}")


def stop(process: processes.Process, number: int) -> tuple[int, str]:
    """Sends a signal, and returns the exit code and all of stderr."""
    process.send_signal(number)
    _, err = process.communicate()
    return process.returncode, err


def saved_step(workdir: pathlib.Path) -> int:
    """The step of the last checkpoint in a working folder, 0 without any."""
    latest = tf.train.latest_checkpoint(workdir / "checkpoints")
    return int(latest.rsplit("-", 1)[1]) if latest else 0


def events(folder: pathlib.Path) -> Mapping[str, list]:
    """Tag -> events that TensorBoard shows of all event files in a folder."""
    accumulator = plugin_event_accumulator.EventAccumulator(
        str(folder), {plugin_event_accumulator.TENSORS: 0}
    ).Reload()
    tags = accumulator.Tags()[plugin_event_accumulator.TENSORS]
    return {tag: accumulator.Tensors(tag) for tag in tags}


def check_same_checkpoint(
    workdir: pathlib.Path,
    other: pathlib.Path,
    atol: float = 0,
    same_saves: bool = True,
) -> None:
    """Checks that two trainings ended in the same state.

    Args:
      workdir: Working folder of one training.
      other: Working folder of the other training.
      atol: Largest allowed difference of float32 values. 0: equal to the bit.
      same_saves: Whether both must have saved as many checkpoints.

    Raises:
      AssertionError: The last checkpoints differ.
    """
    found, expected = (
        tf.train.load_checkpoint(
            tf.train.latest_checkpoint(folder / "checkpoints")
        )
        for folder in (workdir, other)
    )
    names = sorted(expected.get_variable_to_shape_map())
    assert sorted(found.get_variable_to_shape_map()) == names
    for name in names:
        if name.startswith("save_counter") and not same_saves:
            continue
        value, wanted = found.get_tensor(name), expected.get_tensor(name)
        if atol and getattr(wanted, "dtype", None) == np.float32:
            np.testing.assert_allclose(value, wanted, rtol=0, atol=atol)
        else:
            np.testing.assert_array_equal(value, wanted, name)
