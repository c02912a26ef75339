"""Latencies that nobody measured, of a tiny network."""

import dataclasses
import os
from collections.abc import Callable

from tests.helpers import tiny
from tf_autoformer.latency import measurements, network, sample
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture

MODEL, SPACE = tiny.DIGITS_MODEL, tiny.SPACE
NETWORK = network.of(MODEL, SPACE)
OTHER = network.of(dataclasses.replace(MODEL, image_size=12), SPACE)


def setting(**values) -> measurements.Setting:
    """A setting that differs in some values from `SETTING`."""
    return measurements.Setting(
        **{
            "network": NETWORK,
            "runtime": "onnx",
            "version": "onnxruntime 1",
            "machine": "a machine",
        }
        | values
    )


SETTING = setting()


def latency(architecture: Architecture) -> float:
    """A latency in milliseconds, 1.5 for the smallest and 5 for the largest."""
    return (
        architecture.depth
        + architecture.embed_dim / 16
        + (sum(architecture.num_heads) - architecture.depth) / 2
    )


def write(
    path: str | os.PathLike[str],
    measured: Callable[[Architecture], float] = latency,
    count: int = 30,
    **values,
) -> measurements.Measurements:
    """A file of measurements.

    Args:
      path: Path of the file.
      measured: Function of the latency of an architecture.
      count: Number of architectures.
      **values: Values of the setting that differ from `SETTING`.
    """
    found = measurements.Measurements(path)
    found.claim(setting(**values))
    for each in sample.draw(SPACE, count, seed=0):
        time = measured(each)
        found.append(each, measurements.Times(time, (time, time), time, 1))
    return found
