"""Commands as users type them, which are killed and run again."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

ROOT = pathlib.Path(__file__).parent.parent.parent


def start(
    binary: str, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.Popen:
    """Starts a binary."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tf_autoformer.{binary}", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Its preparations take longer than so small products.
            "TF_ENABLE_ONEDNN_OPTS": "0",
            **(env or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def full_recipe(folder: pathlib.Path, steps: int) -> tuple[str, ...]:
    """Flags of a short training of a tiny supernet with everything on."""
    space = folder / "space.json"
    space.write_text(
        json.dumps(
            {
                "embed_dims": [8, 16],
                "depths": [2],
                "num_heads": [1, 2],
                "mlp_ratios": [1.0, 2.0],
            }
        )
    )
    return (
        f"--flagfile={ROOT / 'flags' / 'digits' / 'full_recipe.flags'}",
        f"--search_space={space}",
        f"--data_dir={folder / 'data'}",
        "--batch_size=64",
        f"--epochs={steps * 64 / 1149}",
        "--warmup_epochs=0.2",
        "--ema_decay=0.9",
        "--clip_norm=1",
        "--accumulation=2",
        "--log_every=1",
        "--checkpoint_every=1",
        "--watched_subnets=0",
    )


def finish(process: subprocess.Popen) -> tuple[str, str]:
    """Waits for the end of a binary, and returns what it printed."""
    out, err = process.communicate()
    if process.returncode:
        raise AssertionError(f"ended with {process.returncode}: {err}")
    return out, err


def kill_when(process: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Kills a process as a crash of the machine would, in the midst of it."""
    while process.poll() is None and not condition():
        time.sleep(0.005)
    process.kill()
    _, err = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise AssertionError(f"ended with {process.returncode}: {err}")


def saved_step(workdir: pathlib.Path) -> int:
    """The step of the last checkpoint; 0 if there is none."""
    latest = tf.train.latest_checkpoint(workdir / "checkpoints")
    return int(latest.rsplit("-", 1)[1]) if latest else 0


def events(folder: pathlib.Path) -> Mapping[str, list]:
    """Tag -> its events, of all event files of a folder."""
    accumulator = event_accumulator.EventAccumulator(
        str(folder), {event_accumulator.TENSORS: 0}
    ).Reload()
    tags = accumulator.Tags()[event_accumulator.TENSORS]
    return {tag: accumulator.Tensors(tag) for tag in tags}


def check_same_checkpoint(
    workdir: pathlib.Path, other: pathlib.Path, atol: float = 0
) -> None:
    """Checks that two trainings ended in the same state, to the bit."""
    found, expected = (
        tf.train.load_checkpoint(
            tf.train.latest_checkpoint(folder / "checkpoints")
        )
        for folder in (workdir, other)
    )
    names = sorted(expected.get_variable_to_shape_map())
    assert sorted(found.get_variable_to_shape_map()) == names
    for name in names:
        value, wanted = found.get_tensor(name), expected.get_tensor(name)
        if atol and getattr(wanted, "dtype", None) == np.float32:
            np.testing.assert_allclose(value, wanted, rtol=0, atol=atol)
        else:
            np.testing.assert_array_equal(value, wanted, name)
