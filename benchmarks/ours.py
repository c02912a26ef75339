"""The process that times this package's supernet."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from benchmarks import comparison, worker
from tf_autoformer.evaluation import accuracy
from tf_autoformer.experiment import training_config
from tf_autoformer.space import extents
from tf_autoformer.supernet import cores, parallel
from tf_autoformer.training import state as state_lib
from tf_autoformer.training import step as step_lib

Architecture = comparison.Architecture
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_IMAGENET_IMAGES = 1_281_167


class Ours:
    """Our supernet and one batch, with the cases that are timed.

    Args:
      subject: Supernet, its precision and the batch size.
    """

    def __init__(self, subject: comparison.Subject):
        network, batch = comparison.NETWORK, subject.batch_size
        self._dtype = tf.dtypes.as_dtype(subject.precision)
        recipe = training_config.TrainingConfig(
            batch_size=batch,
            seed=subject.seed,
            precision=_POLICIES[subject.precision],
        )
        strategy = tf.distribute.get_strategy()
        state = state_lib.TrainState.create(
            network, subject.space, recipe, strategy, _IMAGENET_IMAGES
        )
        self._supernet, self._optimizer = state.supernet, state.optimizer
        self._step = step_lib.TrainStep(strategy, state, recipe)
        # Depth -> traced update: the variables depend on the depth.
        self._updates: dict[int, Any] = {}
        self._forward = accuracy.Forward(self._supernet)
        self._images = tf.random.normal(
            [batch, *network.input_size, network.channels]
        )
        labels = tf.random.uniform(
            [batch], maxval=network.num_classes, dtype=tf.int64
        )
        self._targets = tf.one_hot(labels, network.num_classes)

    def train(self, architectures: list[Mapping[str, Any]]) -> list[float]:
        """Seconds that a training step of each architecture takes."""

        def step(architecture: Architecture) -> None:
            paths = [architecture]
            self._step(self._images, self._targets, paths).losses.numpy()

        return worker.time_each(
            step, map(Architecture.from_dict, architectures)
        )

    def trace(self, architecture: Mapping[str, Any]) -> None:
        """Traces the training step of an architecture without running it."""
        tf.function(self._step, autograph=False).get_concrete_function(
            self._images,
            self._targets,
            [Architecture.from_dict(architecture)],
            0,
        )

    def forward(self, architectures: list[Mapping[str, Any]]) -> list[float]:
        """Seconds that a forward pass of each architecture takes."""

        def forward(architecture: Architecture) -> None:
            self._forward(self._images, architecture).numpy()

        return worker.time_each(
            forward, map(Architecture.from_dict, architectures)
        )

    def update(
        self, architecture: Mapping[str, Any], count: int
    ) -> list[float]:
        """Seconds of each update by the optimizer alone, gradients given."""
        update = self.updater(architecture)
        update()
        return worker.time_each(lambda _: update(), range(count))

    def updater(self, architecture: Mapping[str, Any]) -> Callable[[], None]:
        """The optimizer's update of an architecture with random gradients."""
        subnet = extents.of(Architecture.from_dict(architecture))
        weights = self._supernet.slices(subnet)
        variables = tf.nest.flatten(self._supernet.variables_of(weights))
        gradients = [
            tf.random.normal(weight.shape)
            for weight in tf.nest.flatten(weights)
        ]

        def update(gradients: list[tf.Tensor]) -> None:
            self._optimizer.apply_gradients(
                zip(gradients, variables, strict=True),
                skip_gradients_aggregation=True,
            )

        depth = len(subnet.num_heads)
        if depth not in self._updates:
            # The sizes are unknown, as in a training step.
            specs = [tf.TensorSpec([None] * len(v.shape)) for v in variables]
            self._updates[depth] = tf.function(
                update, input_signature=[specs], autograph=False
            )
        return functools.partial(self._updates[depth], gradients)

    def peak(self, count: int) -> list[float]:
        """Seconds of each matrix product, with one running on each core."""
        products = cores.available()
        shape = [1 + products, worker.PEAK_SIZE, worker.PEAK_SIZE]
        factors = tf.cast(tf.random.normal(shape), self._dtype)

        @functools.partial(tf.function, autograph=False)
        def multiply(factors: list[tf.Tensor]) -> list[tf.Tensor]:
            left, *rights = factors
            return [tf.matmul(left, right) for right in rights]

        factors = tf.unstack(factors)
        multiply(factors)
        seconds = worker.time_each(multiply, [factors] * count)
        return [each / products for each in seconds]


def main() -> None:
    """Serves the cases to the parent process."""
    parallel.use_cores()
    ours = Ours(comparison.Subject(**worker.settings()))
    worker.serve(
        {
            "train": ours.train,
            "forward": ours.forward,
            "update": ours.update,
            "peak": ours.peak,
        }
    )


if __name__ == "__main__":
    main()
