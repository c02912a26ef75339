"""Devices and machines: the strategies, and who does what only one may do."""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data import pipeline
from tf_autoformer.training import run_config

_LOGGER = logging.getLogger(__name__)


def make(name: run_config.Strategy) -> tf.distribute.Strategy:
    """The strategy of this name; before TensorFlow has run anything.

    Raises:
      InputError: several machines, and TF_CONFIG does not name them.
    """
    if name == "one_device":
        gpus = tf.config.list_logical_devices("GPU")
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    _require_cluster(os.environ.get("TF_CONFIG", ""))
    return tf.distribute.MultiWorkerMirroredStrategy()


def _require_cluster(text: str) -> None:
    """Checks TF_CONFIG, of which TensorFlow's complaints tell little."""
    rule = (
        'it must be like {"cluster": {"worker": ["host:port", …]}, "task": '
        '{"type": "worker", "index": 0}}'
    )
    try:
        found = json.loads(text)
        cluster = {"chief": [], **found["cluster"]}
        members = cluster[found["task"]["type"]]
        known = (
            set(cluster) == {"chief", "worker"}
            and all(isinstance(group, list) for group in cluster.values())
            and all(map(_is_address, sum(cluster.values(), [])))
            and 0 <= found["task"]["index"] < len(members)
        )
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise errors.InputError(f"TF_CONFIG is {text!r}; {rule}")


def _is_address(text: str) -> bool:
    """Whether it is a host with a port."""
    match = re.fullmatch(r".+:(\d{1,5})", text)
    return match is not None and 0 < int(match[1]) < 2**16


def is_shared(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what is written once: the first worker."""
    if not is_shared(strategy):
        return True
    resolver = strategy.cluster_resolver
    if resolver.task_type == "chief":
        return True
    jobs = resolver.cluster_spec().jobs
    return "chief" not in jobs and resolver.task_id == 0


def part(context: tf.distribute.InputContext) -> pipeline.Part:
    """What of each batch a worker makes."""
    workers = context.num_input_pipelines
    return pipeline.Part(
        worker=context.input_pipeline_id,
        workers=workers,
        replicas=context.num_replicas_in_sync // workers,
    )


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has come here."""
    if not is_shared(strategy):
        return

    def meet() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", tf.ones([]))

    strategy.run(tf.function(meet, autograph=False))


@contextlib.contextmanager
def rejoining(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Starts this program anew when another worker is lost in the body.

    It then waits until that one has been started again; all continue from the
    last checkpoint.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
    ):
        if not is_shared(strategy):
            raise
        _LOGGER.warning(
            "a worker is lost; waiting for it, to continue from the last "
            "checkpoint"
        )
        # Nothing less gets TensorFlow out of a broken cluster.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
