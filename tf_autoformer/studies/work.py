"""What the tasks of the studies do: train, evaluate and search supernets."""

import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_autoformer.evaluation import accuracy, generation
from tf_autoformer.evolution import algorithm, search_config, session
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import tensorboard
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import bound
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.training import distribution, loop, run_config

Architecture = architecture_lib.Architecture
_SPLITS = ("validation", "test")


def train(
    root: pathlib.Path,
    experiment: experiment_lib.Experiment,
    subnets: Sequence[Architecture],
    data_dir: str | None,
    run: run_config.RunConfig,
) -> dict[str, Any]:
    """Trains a supernet, and evaluates subnets of it.

    Args:
      root: Working folder to make, or to go on in.
      experiment: Supernet and its recipe.
      subnets: Subnets to evaluate.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      run: How the training is run and shown.

    Returns:
      See `evaluate`.

    Raises:
      InputError: The folder or the data set cannot be used.
      Interrupted: A signal has stopped the training.
    """
    tf.keras.backend.clear_session()  # What earlier tasks have traced.
    workdir = workdir_lib.Workdir(root)
    strategy = distribution.make(run.strategy)
    loop.Trainer(experiment, workdir, data_dir, run, strategy).train()
    return evaluate(root, subnets, data_dir)


def evaluate(
    root: pathlib.Path, subnets: Sequence[Architecture], data_dir: str | None
) -> dict[str, Any]:
    """Evaluates subnets of a trained supernet.

    Args:
      root: Working folder of the supernet.
      subnets: Subnets to evaluate, all different.
      data_dir: Folder of prepared data sets. None: TFDS's default.

    Returns:
      "images": number of images of the validation and the test split, by name.
      "right": for each split, how many of them each subnet labels correctly.
      "seconds": time that the supernet was trained, pauses left out.

    Raises:
      InputError: The folder or the data set cannot be used.
    """
    workdir = workdir_lib.Workdir(root)
    strategy = tf.distribute.get_strategy()
    trained = workdir.trained(strategy, data_dir)
    images, right = {}, {}
    for split in _SPLITS:
        evaluator = accuracy.Evaluator(
            strategy, trained.supernet, trained.dataset, split
        )
        images[split] = evaluator.num_examples
        found = generation.answers(evaluator, subnets)
        right[split] = [int(np.count_nonzero(found[each])) for each in subnets]
    seconds = tensorboard.seconds(workdir.log("train"))
    return {"images": images, "right": right, "seconds": seconds}


def search(
    root: pathlib.Path,
    name: str,
    config: algorithm.EvolutionConfig,
    ranges: Mapping[str, constraint_lib.Range],
    latency: pathlib.Path,
    data_dir: str | None,
) -> dict[str, Any]:
    """Searches a trained supernet.

    Args:
      root: Working folder of the supernet.
      name: Name of the search, which may be there already.
      config: Parameters of the search.
      ranges: Allowed range of each bounded cost, by its name. Latency may be
        among them.
      latency: File of the measurements that it is predicted from.
      data_dir: Folder of prepared data sets. None: TFDS's default.

    Returns:
      "architecture": the subnet found. "candidates": the number of evaluated
      subnets. "latency_ms": the predicted latency. "seconds": time of the
      search, or None if a part of it was done before.

    Raises:
      InputError: See `session.Search`.
    """
    start = time.monotonic()
    workdir = workdir_lib.Workdir(root)
    experiment = workdir.experiment
    cost = bound.predicted(
        bound.read(latency, experiment.model, experiment.space, ranges)
    )
    further = [cost] if cost.name in ranges else []
    is_new = not workdir.search(name).candidates.exists()
    search = session.Search(
        workdir,
        name,
        config,
        ranges,
        data_dir,
        tf.distribute.get_strategy(),
        further_costs=further,
    )
    count = 0
    for ranking in search.run():
        count = len(ranking)
    found = search_config.load_best(search.folder)
    return {
        "architecture": found.to_dict(),
        "candidates": count,
        "latency_ms": cost.measure(experiment.model, found),
        "seconds": time.monotonic() - start if is_new else None,
    }
