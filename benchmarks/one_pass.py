r"""Compares a generation in one pass with its subnets evaluated one by one.

  python -m benchmarks.one_pass

The first generations of a search in the small space, with random weights, on
images of few patches, for each kind of head and position embedding. One by
one, a subnet runs through a program of its own. In one pass, it shares what it
can with others. A row tells on how many images an answer differs.
"""

import dataclasses
import itertools
import random
import time
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from benchmarks import comparison, table, whole
from tf_autoformer import binary, rules
from tf_autoformer.data.sources import datasets, prepared
from tf_autoformer.evaluation import accuracy, generation
from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint as constraint_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space as search_space_lib
from tf_autoformer.supernet import parallel
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture
_OPTIONS = tuple(
    itertools.product(
        typing.get_args(model_lib.Pooling), typing.get_args(model_lib.Position)
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      search_space: Space of the subnets. Default: the paper's small one.
      generations: Number of generations.
      population: Number of subnets of each.
      images: Number of images of the digits' validation split.
      image_size: Input size in pixels.
      patch_size: Height and width of a patch in pixels.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
    """

    search_space: search_space_lib.SearchSpace | None = None
    generations: int = rules.field(4, lower_bound=1)
    population: int = rules.field(50, lower_bound=1)
    images: int = rules.field(64, lower_bound=1)
    image_size: int = rules.field(24, *rules.SIZE)
    patch_size: int = rules.field(8, *rules.SIZE)
    data_dir: str | None = None


def main(options: Options) -> None:
    """Measures, and prints a row for each head and position embedding."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    parallel.use_cores()
    space = options.search_space or search_space_lib.SEARCH_SPACES["small"]
    members = _generations(options, space)
    dataset = datasets.load("digits", options.data_dir)
    few = prepared.Splits(validation=f"validation[:{options.images}]")
    builder = tfds.builder("digits", data_dir=options.data_dir)
    dataset = dataclasses.replace(
        dataset,
        images=prepared.Prepared(builder, dataset.source.labels, few),
    )
    referee = comparison.Referee(len(_OPTIONS))
    referee.begin("heads and position embeddings")
    print("| head | position | one by one | one pass | two replicas | saved |")
    print("|---|---|--:|--:|--:|--:|")
    unequal, total = 0, 0
    for pooling, position in _OPTIONS:
        line, different, answers = _measure(
            options, space, dataset, members, pooling, position
        )
        print(line, flush=True)
        unequal += different
        total += answers
        referee.end_round()
    print(
        f"\n{unequal:,} of {total:,} answers differ, of "
        f"{sum(map(len, members))} subnets on {options.images} images each."
    )
    command = table.command(
        "one_pass",
        options,
        ("generations", "population", "images", "image_size", "patch_size"),
    )
    print(f"\n{table.provenance(command)}")


def _generations(
    options: Options, space: search_space_lib.SearchSpace
) -> list[list[Architecture]]:
    """The first generations of a search with invented accuracies."""
    rng = random.Random(0)
    found = []

    def evaluate(
        number: int, members: Mapping[Architecture, str]
    ) -> list[selection.Candidate]:
        found.append(list(members))
        return [
            selection.Candidate(number, each, rng.random(), {"params": 0})
            for each in members
        ]

    config = algorithm.EvolutionConfig(
        population=options.population,
        generations=options.generations,
        crossovers=options.population // 2,
        mutations=options.population - options.population // 2,
    )
    constraint = constraint_lib.Constraint(space, _model(options), {})
    for _ in algorithm.search(config, constraint, evaluate):
        pass
    return found


def _model(options: Options, **fields: Any) -> model_lib.ModelConfig:
    """A network for the digits."""
    # With larger weights, random subnets differ more.
    return model_lib.ModelConfig(
        num_classes=10,
        image_size=options.image_size,
        patch_size=options.patch_size,
        init_stddev=0.1,
        **fields,
    )


def _measure(
    options: Options,
    space: search_space_lib.SearchSpace,
    dataset: datasets.Dataset,
    members: list[list[Architecture]],
    pooling: model_lib.Pooling,
    position: model_lib.Position,
) -> tuple[str, int, int]:
    """A row of the table, the number of different answers and of all."""
    model = _model(options, pooling=pooling, position=position)
    seconds: dict[str, float] = {}
    found: dict[str, list[np.ndarray[Any, Any]]] = {}
    tally = generation.Tally()
    for side, devices in (("one pass", 1), ("two replicas", 2)):
        strategy = tf.distribute.MirroredStrategy(
            [f"/cpu:{index}" for index in range(devices)]
        )
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            supernet = supernet_lib.Supernet(model, space)
        evaluator = accuracy.Evaluator(
            strategy, supernet, dataset, "validation"
        )
        if side == "one pass":
            seconds["one by one"], found["one by one"] = _alone(
                supernet, evaluator, members
            )
        depths = {each.depth: each for each in sum(members, [])}
        generation.answers(evaluator, list(depths.values()))  # Untimed.
        start = time.perf_counter()
        found[side] = [
            right
            for each in members
            for right in generation.answers(
                evaluator, each, tally=tally
            ).values()
        ]
        seconds[side] = time.perf_counter() - start
    alone = np.stack(found["one by one"])
    different = sum(
        np.count_nonzero(np.stack(found[side]) != alone)
        for side in ("one pass", "two replicas")
    )
    cells = [f"{seconds['one by one']:.1f} s"] + [
        f"{seconds[side]:.1f} s, {seconds['one by one'] / seconds[side]:.2f}×"
        for side in ("one pass", "two replicas")
    ]
    cells = [pooling, position, *cells, f"{tally.saved:.1%}"]
    return f"| {' | '.join(cells)} |", different, 2 * alone.size


def _alone(
    supernet: supernet_lib.Supernet,
    evaluator: accuracy.Evaluator,
    members: list[list[Architecture]],
) -> tuple[float, list[np.ndarray[Any, Any]]]:
    """The seconds and answers of the subnets one by one."""
    forward = whole.Forward(supernet)
    (batch,) = evaluator.batches()
    (images,), (labels,) = batch
    for each in {each.depth: each for each in sum(members, [])}.values():
        forward(images, each)  # Untimed: it traces.
    start = time.perf_counter()
    answers = [
        np.argmax(forward(images, each), axis=1) == labels.numpy()
        for each in sum(members, [])
    ]
    return time.perf_counter() - start, answers


if __name__ == "__main__":
    binary.run(main, Options)
