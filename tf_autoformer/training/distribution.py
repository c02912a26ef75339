"""Devices and machines: strategies, the chief, and workers that are lost."""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tf_autoformer import errors, interruption
from tf_autoformer.data import pipeline
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.training import run_config

_LOGGER = logging.getLogger(__name__)

# How TensorFlow says that another worker is lost.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)


def make(name: run_config.Strategy) -> tf.distribute.Strategy:
    """Makes a strategy, which must precede TensorFlow's first operation.

    With several machines it waits until all of them are there.

    Args:
      name: Kind of strategy. See `RunConfig`.

    Raises:
      InputError: The strategy needs several machines, and TF_CONFIG does not
        name them.
    """
    if name == "one_device":
        gpus = tf.config.list_logical_devices("GPU")
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    _require_cluster(os.environ.get("TF_CONFIG", ""))
    _LOGGER.info("waiting for all workers; Ctrl-C ends the wait")
    with interruption.immediate():
        return tf.distribute.MultiWorkerMirroredStrategy()


def _require_cluster(text: str) -> None:
    """Checks TF_CONFIG, as TensorFlow's own complaints tell little."""
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
    """Whether the text is a host with a port."""
    match = re.fullmatch(r".+:(\d{1,5})", text)
    return match is not None and 0 < int(match[1]) < 2**16


def is_shared(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the first worker, which alone writes."""
    if not is_shared(strategy):
        return True
    resolver = strategy.cluster_resolver
    if resolver.task_type == "chief":
        return True
    jobs = resolver.cluster_spec().jobs
    return "chief" not in jobs and resolver.task_id == 0


def part(context: tf.distribute.InputContext) -> pipeline.Part:
    """The part of each batch that a worker makes."""
    workers = context.num_input_pipelines
    return pipeline.Part(
        worker=context.input_pipeline_id,
        workers=workers,
        replicas=context.num_replicas_in_sync // workers,
    )


def require_shares(
    experiment: experiment_lib.Experiment, replicas: int
) -> None:
    """Checks that replicas, micro-batches and pairs can share a batch.

    Args:
      experiment: Batch size, micro-batches and augmentation.
      replicas: Number of replicas of all workers.

    Raises:
      InputError: They cannot.
    """
    recipe = experiment.training
    parts = replicas * recipe.accumulation
    if recipe.batch_size % parts:
        raise errors.InputError(
            f"batch_size is {recipe.batch_size}; it must be a multiple of the "
            f"number of replicas, {replicas}, times accumulation, "
            f"{recipe.accumulation}"
        )
    mixes = experiment.augmentation.mixes
    pipeline.Part(replicas=replicas).rows(recipe.batch_size, mixes)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has come here."""
    if not is_shared(strategy):
        return

    def meet() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", tf.ones([]))

    with interruption.immediate():
        strategy.run(tf.function(meet, autograph=False))


def end_with_all(
    strategy: tf.distribute.Strategy, is_done: Callable[[], bool]
) -> None:
    """`wait_for_all` before the process ends.

    A worker that knows that all have come may end before another one knows.
    That one then sees it as lost, but has nothing more to do with it.

    Args:
      strategy: Strategy of the training.
      is_done: Function that says whether the work of all is saved.
    """
    try:
        wait_for_all(strategy)
    except _LOST:
        if not is_done():
            raise


@contextlib.contextmanager
def rejoining(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Starts this program anew when another worker is lost in the body.

    The new one waits until the lost worker has been started again. All then
    continue from the last checkpoint.

    Args:
      strategy: Strategy of the body.
    """
    try:
        yield
    except _LOST:
        if not is_shared(strategy):
            raise
        _LOGGER.warning(
            "a worker is lost; waiting for it, to continue from the last "
            "checkpoint"
        )
        # Nothing less gets TensorFlow out of a broken cluster.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@contextlib.contextmanager
def leaving(
    strategy: tf.distribute.Strategy, stop: interruption.Deferral
) -> Iterator[None]:
    """Lets a worker that is to stop end when another one is lost.

    The other one has left first, as whoever stops a training stops them all.
    The step that both were in cannot be finished.

    Args:
      strategy: Strategy of the body.
      stop: Deferral of the signals in the body.

    Raises:
      Interrupted: A worker is lost after a signal has come.
    """
    try:
        yield
    except _LOST as error:
        if stop.signal is None or not is_shared(strategy):
            raise
        raise interruption.Interrupted(stop.signal) from error
