"""A generation of subnets, evaluated by Ray actors on one machine or many."""

import dataclasses
import functools
import itertools
import logging
import pathlib
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.evaluation import accuracy, generation
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.supernet import compilation, parallel

Architecture = architecture_lib.Architecture

# Chunks of a generation for each actor. With more, actors end at about the same
# time and less is lost with one of them. With fewer, more prefixes are shared.
_CHUNKS = 2
# Restarts of an actor before the search gives up.
_RESTARTS = 10


@dataclasses.dataclass(frozen=True)
class Source:
    """What an actor loads. Paths are valid on every machine.

    Attributes:
      workdir: Working folder of the supernet.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      dataset: Name of the data set. None: the experiment's.
      split: Split to evaluate on.
      compilation: Arguments of `compilation.use`.
    """

    workdir: pathlib.Path
    data_dir: str | None
    dataset: str | None
    split: str
    compilation: tuple[str, str, bool]


class Workers:
    """Evaluates generations on Ray actors.

    Each actor loads the supernet and the images once. One that dies is started
    again, on any machine of the cluster, and takes its chunk again.

    Args:
      source: Supernet and images.
      count: Number of actors. None: one for each GPU of the cluster, or one for
        each machine if there are no GPUs.

    Raises:
      InputError: Ray is not installed, the cluster cannot be reached, or it has
        fewer GPUs than `count`.
    """

    def __init__(self, source: Source, count: int | None = None):
        self._ray = _connected()
        gpus = int(self._ray.cluster_resources().get("GPU", 0))
        if count is not None and 0 < gpus < count:
            raise errors.InputError(
                f"ray_actors is {count}; the cluster has only {gpus} GPUs"
            )
        machines = sum(node["Alive"] for node in self._ray.nodes())
        actor = self._ray.remote(
            num_gpus=1 if gpus else 0,
            max_restarts=_RESTARTS,
            max_task_retries=-1,
            scheduling_strategy="SPREAD",
        )(_Actor)
        self._actors = [
            actor.remote(source) for _ in range(count or gpus or machines)
        ]

    def answers(
        self,
        architectures: Sequence[Architecture],
        step: int,
        told: Callable[[float], None],
        tally: generation.Tally,
    ) -> dict[Architecture, np.ndarray]:
        """Tells which images each subnet labels correctly.

        Args:
          architectures: Architectures to evaluate, all different.
          step: Training step of the weights that the actors must have.
          told: Function that is told the share of the work that is done.
          tally: Tally to add the evaluations to.

        Returns:
          Vector of each architecture, bool [images]. See `generation.answers`.

        Raises:
          InputError: An actor cannot load what it needs, has weights of another
            step, or died too often.
        """
        pool = self._ray.util.ActorPool(self._actors)
        chunks = _chunks(architectures, _CHUNKS * len(self._actors))
        found: dict[Architecture, np.ndarray] = {}
        try:
            for answers, counted in pool.map_unordered(
                lambda actor, chunk: actor.answers.remote(chunk, step), chunks
            ):
                found |= answers
                tally.add(counted)
                told(len(found) / len(architectures))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayActorError as error:
            raise errors.InputError(
                f"a Ray actor ended: {errors.reason(error)}"
            ) from error
        return {each: found[each] for each in architectures}


class _Actor:
    """The process of an actor. See `Source` for what it loads."""

    def __init__(self, source: Source):
        self._source = source

    # Not in __init__: what that raises, Ray tells without its cause.
    @functools.cached_property
    def _loaded(self) -> tuple[int, accuracy.Evaluator]:
        """The step of the weights, and the evaluator of the images."""
        source = self._source
        compilation.use(*source.compilation)
        parallel.use_cores()
        strategy = tf.distribute.MirroredStrategy()
        trained = workdir_lib.Workdir(source.workdir).trained(
            strategy, source.data_dir, source.dataset
        )
        trained.claim()
        evaluator = accuracy.Evaluator(
            strategy, trained.supernet, trained.dataset, source.split
        )
        return trained.step, evaluator

    def answers(
        self, architectures: Sequence[Architecture], step: int
    ) -> tuple[dict[Architecture, np.ndarray], generation.Tally]:
        """Answers of some architectures, and the tally of their evaluations."""
        found_step, evaluator = self._loaded
        if step != found_step:
            raise errors.InputError(
                f"{self._source.workdir} on {platform.node()} has the weights "
                f"of step {found_step}; the search has those of step {step}"
            )
        tally = generation.Tally()
        found = generation.answers(evaluator, architectures, tally=tally)
        return found, tally


def _chunks(
    architectures: Sequence[Architecture], count: int
) -> list[list[Architecture]]:
    """Parts of about one size. Common prefixes are in the same part."""
    order = sorted(
        architectures,
        key=lambda each: (
            each.embed_dim,
            list(zip(each.num_heads, each.mlp_ratio, strict=True)),
        ),
    )
    ends = [len(order) * part // count for part in range(count + 1)]
    parts = [order[a:b] for a, b in itertools.pairwise(ends)]
    return [part for part in parts if part]


def _connected() -> Any:
    """Ray, connected to the cluster of RAY_ADDRESS or of this machine."""
    try:
        import ray
        import ray.util
    except ImportError as error:
        raise errors.InputError(
            "workers is ray, which is not installed: pip install ray==2.60.0"
        ) from error
    try:
        ray.init(
            ignore_reinit_error=True,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ConnectionError as error:
        raise errors.InputError(
            f"cannot reach the Ray cluster: {errors.reason(error)}"
        ) from error
    return ray
