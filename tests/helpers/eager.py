"""Steps of Keras without graphs."""

import contextlib
import functools
from unittest import mock

import tensorflow as tf


def steps() -> contextlib.AbstractContextManager:
    """Has Keras take its steps eagerly, where tracing would take longer.

    Pipelines keep their graphs, which all tests of a process share.
    """
    return mock.patch.object(
        tf.keras.Model,
        "compile",
        functools.partialmethod(tf.keras.Model.compile, run_eagerly=True),
    )
