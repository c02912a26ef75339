"""Tiny trainings: a supernet, its optimizer and its step on virtual CPUs."""

import dataclasses
import functools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tests.helpers import devices, tiny
from tf_autoformer.experiment import methods, teacher, training_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.training import state as state_lib
from tf_autoformer.training import step

BATCH = 8
SMOOTHING = 0.1

devices.prepare()


@functools.cache
def strategy(replicas: int) -> tf.distribute.Strategy:
    # Shared by all trainings. Each strategy counts its collective operations
    # from the same number, and TensorFlow remembers the shape of each number.
    return tf.distribute.MirroredStrategy(
        [f"/cpu:{index}" for index in range(replicas)]
    )


class Training:
    """A training on random images, ready for its first step.

    Args:
      replicas: Number of virtual CPUs.
      space: Architectures of the supernet.
      drop_path: Drop-path rate; see `ModelConfig`.
      layout: Layout of the QKV bias.
      compiled: Whether XLA compiles the step.
      model: Fields of `ModelConfig` that differ from `tiny.MODEL`.
      skips: Whether updates that are not finite are skipped.
      taught_by: Teacher, if any.
      **recipe: Fields of `TrainingConfig` that differ from the tests' own.

    Attributes:
      state: State of the training.
      step: Step that changes it.
    """

    def __init__(
        self,
        replicas: int = 1,
        space: search_space.SearchSpace = tiny.SPACE,
        *,
        drop_path: float = 0.0,
        layout: str = "heads",
        compiled: bool = False,
        model: Mapping[str, Any] | None = None,
        skips: bool = False,
        taught_by: teacher.Teacher | None = None,
        **recipe,
    ):
        self._strategy = strategy(replicas)
        recipe = training_config.TrainingConfig(
            **{
                "epochs": 10,
                "batch_size": BATCH,
                # Not more: the key's bias has no gradient but rounding, which
                # Adam scales up to the rate.
                "learning_rate": 1e-3,
                "warmup_epochs": 1,
                "weight_decay": 0.1,
                "label_smoothing": SMOOTHING,
                **recipe,
            }
        )
        self.state = state_lib.TrainState.create(
            dataclasses.replace(
                tiny.MODEL,
                drop_path=drop_path,
                qkv_bias_layout=layout,
                **(model or {}),
            ),
            space,
            recipe,
            self._strategy,
            num_examples=4 * BATCH,
            skip_nonfinite=skips,
            compiled=compiled,
        )
        if self.state.average is not None:
            self.state.average.start()
        self.step = step.TrainStep(
            self._strategy, self.state, recipe, taught_by
        )

    def run(
        self,
        steps: Sequence[sampling.Paths],
        batches: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> list[step.StepMetrics]:
        """Takes one step for each tuple of paths.

        Args:
          steps: Paths of each step.
          batches: Images and targets of all steps; random ones if None.

        Returns:
          The metrics of each step.
        """
        distributed = iter(
            self._strategy.experimental_distribute_dataset(
                tf.data.Dataset.from_tensor_slices(batches or data(len(steps)))
                .batch(BATCH, drop_remainder=True)
                .repeat()
            )
        )
        return [
            tf.nest.map_structure(
                np.float32,
                self.step(*next(distributed), paths),
            )
            for paths in steps
        ]

    def weights(self) -> list[np.ndarray]:
        """The supernet's weights."""
        return [v.numpy() for v in self.state.supernet.trainable_variables]

    def averages(self) -> list[np.ndarray]:
        """The averages of the weights, in their order."""
        return [v.numpy() for v in self.state.averaged.trainable_variables]

    def values(self) -> list[np.ndarray]:
        """Weights, both moments, and averages with their counts if any."""
        optimizer = self.state.optimizer
        moments = [*optimizer.first_moments, *optimizer.second_moments]
        return [
            *self.weights(),
            *(moment.numpy() for moment in moments),
            *(self.averages() if self.state.averaged is not None else []),
            *(
                [count.numpy() for count in self.state.average.updates]
                if self.state.average is not None
                else []
            ),
        ]

    def gradients(self) -> list[np.ndarray]:
        """Gradients of the first step: a first moment is 1 - 0.9 of one."""
        return [m.numpy() / 0.1 for m in self.state.optimizer.first_moments]

    def boxes(
        self, architecture: architecture_lib.Architecture
    ) -> list[tuple[slice, ...]]:
        """The slice of each weight that a subnet has, by the standalone one."""
        supernet = self.state.supernet
        standalone = subnet.build(supernet.model, architecture)
        names = [layer.name for layer in standalone.layers]
        boxes = {}
        for name, layer in supernet.elastic_layers().items():
            for weight in layer.axes:
                variable = getattr(layer, weight)
                shape = [0] * variable.shape.rank  # Deeper than the subnet.
                if name in names:
                    shape = getattr(standalone.get_layer(name), weight).shape
                boxes[id(variable)] = tuple(slice(size) for size in shape)
        return [boxes[id(v)] for v in supernet.trainable_variables]


def data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images and one-hot labels for this number of batches."""
    rng = np.random.RandomState(0)
    images = rng.randn(steps * BATCH, 12, 12, 3).astype(np.float32)
    classes = tiny.MODEL.num_classes
    labels = rng.randint(0, classes, [steps * BATCH])
    return images, np.eye(classes, dtype=np.float32)[labels]


def draw(
    count: int,
    seed: int = 0,
    rule: sampling.Rule = methods.single_path,
    space: search_space.SearchSpace = tiny.SPACE,
) -> list[sampling.Paths]:
    """The paths of this number of steps."""
    rng = random.Random(seed)
    return [rule(space, rng) for _ in range(count)]
