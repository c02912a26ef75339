"""Tiny trainings: a supernet, its optimizer and its step on virtual CPUs."""

import functools
import random
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tests.helpers import devices
from tf_autoformer.experiment import training_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import average, guard, loop, step, teacher

SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
# A single depth, so that a step has one trace.
SMALL_SPACE = search_space.SearchSpace((8, 12), (2,), (1, 2), (0.5, 1.0))
BATCH = 8
CLASSES = 5
SMOOTHING = 0.1

devices.make_two_cpus()


def model(
    drop_path: float = 0.0, layout: str = "heads"
) -> model_lib.ModelConfig:
    return model_lib.ModelConfig(
        num_classes=CLASSES,
        image_size=12,
        patch_size=4,
        head_dim=4,
        max_relative_offset=1,
        qkv_bias_layout=layout,
        drop_path=drop_path,
        init_stddev=0.1,
    )


@functools.cache
def strategy(replicas: int) -> tf.distribute.Strategy:
    # Shared by all trainings. Each strategy counts its collective operations
    # from the same number, and TensorFlow remembers the shape of each number.
    return tf.distribute.MirroredStrategy(
        [f"/cpu:{index}" for index in range(replicas)]
    )


class Training:
    """A supernet with its training state and its step.

    Args:
      replicas: Number of virtual CPUs to train on.
      space: Search space of the supernet.
      drop_path: Rate of drop path; see `ModelConfig`.
      layout: Layout of the QKV bias; see `ModelConfig`.
      skips: Whether updates that are not finite are skipped.
      taught_by: Teacher to distil from, if any.
      **recipe: Fields of `TrainingConfig` that differ from the tests' own.
    """

    def __init__(
        self,
        replicas: int = 1,
        space: search_space.SearchSpace = SPACE,
        *,
        drop_path: float = 0.0,
        layout: str = "heads",
        skips: bool = False,
        taught_by: teacher.Teacher | None = None,
        **recipe,
    ):
        self.strategy = strategy(replicas)
        tf.keras.utils.set_random_seed(0)
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
        self.averaged, self.average = None, None
        with self.strategy.scope():
            self.supernet = self._supernet(
                model(drop_path, layout), space, recipe
            )
            self.optimizer = loop.make_optimizer(recipe, 40, 4 * BATCH)
            self.optimizer.build(self.supernet.trainable_variables)
            self.guard = guard.Guard(
                scales=recipe.precision == "mixed_float16", skips=skips
            )
            if recipe.ema_decay:
                self.averaged = self._supernet(
                    self.supernet.model, space, recipe
                )
                self.average = average.EntangledAverage(
                    self.supernet.trainable_variables,
                    self.averaged.trainable_variables,
                    recipe.ema_decay,
                )
                self.average.start()
        self.step = step.TrainStep(
            self.strategy,
            self.supernet,
            self.optimizer,
            recipe,
            self.guard,
            self.average,
            taught_by,
        )

    def _supernet(self, *args) -> supernet_lib.Supernet:
        *network, recipe = args
        return supernet_lib.Supernet(*network, recipe.precision)

    def run(
        self,
        steps: Sequence[sampling.Paths],
        batches: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> list[step.StepMetrics]:
        """Takes one step for each tuple of paths.

        Args:
          steps: Paths of each step.
          batches: Images and targets of all steps. Default: random ones.

        Returns:
          The metrics of each step.
        """
        distributed = iter(
            self.strategy.experimental_distribute_dataset(
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
        """The weights of the supernet."""
        return [v.numpy() for v in self.supernet.trainable_variables]

    def averages(self) -> list[np.ndarray]:
        """The moving averages, in the order of the weights."""
        return [v.numpy() for v in self.averaged.trainable_variables]

    def state(self) -> list[np.ndarray]:
        """Weights, first and second moments, and averages if there are any."""
        moments = [
            *self.optimizer.first_moments,
            *self.optimizer.second_moments,
        ]
        return [
            *self.weights(),
            *(moment.numpy() for moment in moments),
            *(self.averages() if self.averaged is not None else []),
        ]

    def gradients(self) -> list[np.ndarray]:
        """Gradients of the first step: the first moments / (1 - 0.9)."""
        return [m.numpy() / 0.1 for m in self.optimizer.first_moments]

    def boxes(
        self, architecture: architecture_lib.Architecture
    ) -> list[tuple[slice, ...]]:
        """The slices of each weight that a subnet uses.

        The standalone subnet's shapes decide them.
        """
        standalone = subnet.build(self.supernet.model, architecture)
        names = [layer.name for layer in standalone.layers]
        boxes = {}
        for name, layer in self.supernet.elastic_layers().items():
            for weight in layer.axes:
                variable = getattr(layer, weight)
                shape = [0] * variable.shape.rank  # Deeper than the subnet.
                if name in names:
                    shape = getattr(standalone.get_layer(name), weight).shape
                boxes[id(variable)] = tuple(slice(size) for size in shape)
        return [boxes[id(v)] for v in self.supernet.trainable_variables]


def data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images and one-hot labels for this number of batches."""
    rng = np.random.RandomState(0)
    images = rng.randn(steps * BATCH, 12, 12, 3).astype(np.float32)
    labels = rng.randint(0, CLASSES, [steps * BATCH])
    return images, np.eye(CLASSES, dtype=np.float32)[labels]


def draw(
    count: int,
    seed: int = 0,
    rule: sampling.Rule = sampling.single_path,
    space: search_space.SearchSpace = SPACE,
) -> list[sampling.Paths]:
    """Random paths for a number of steps.

    Args:
      count: Number of steps.
      seed: Seed of the draws.
      rule: Rule that draws the paths of a step.
      space: Search space to draw from.
    """
    rng = random.Random(seed)
    return [rule(space, rng) for _ in range(count)]
