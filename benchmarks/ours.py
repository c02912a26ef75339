"""The process that times this package's supernet."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from benchmarks import comparison, whole, worker
from tf_autoformer.experiment import training_config
from tf_autoformer.space import extents
from tf_autoformer.supernet import (
    compilation,
    cores,
    packing,
    parallel,
    parts,
)
from tf_autoformer.supernet import supernet as supernet_lib
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
        self._device = subject.device
        self._taken = 0
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
        self._forward = whole.Forward(self._supernet)
        self._images = tf.random.normal(
            [batch, *network.input_size, network.channels]
        )
        labels = tf.random.uniform(
            [batch], maxval=network.num_classes, dtype=tf.int64
        )
        self._targets = tf.one_hot(labels, network.num_classes)

    def train(
        self, architectures: list[Mapping[str, Any]], together: bool = False
    ) -> list[float]:
        """Seconds that a training step of each architecture takes.

        Args:
          architectures: Architectures to train.
          together: Whether to wait for a GPU in the end only, as a training
            does, and to return the mean for each.
        """

        def step(architecture: Architecture) -> None:
            self._taken += 1
            self._step(self._images, self._targets, [architecture], self._taken)

        paths = list(map(Architecture.from_dict, architectures))
        return self._time(step, paths, together)

    def trace(self, architecture: Mapping[str, Any]) -> None:
        """Traces the training step of an architecture without running it."""
        tf.function(self._step, autograph=False).get_concrete_function(
            self._images,
            self._targets,
            [Architecture.from_dict(architecture)],
            0,
        )

    def forward(
        self, architectures: list[Mapping[str, Any]], together: bool = False
    ) -> list[float]:
        """Seconds that a forward pass takes. The arguments are `train`'s."""
        forward = functools.partial(self._forward, self._images)
        paths = list(map(Architecture.from_dict, architectures))
        return self._time(forward, paths, together)

    def update(
        self, architecture: Mapping[str, Any], count: int
    ) -> list[float]:
        """Seconds of each update by the optimizer alone, gradients given."""
        update = self.updater(architecture)
        update()
        return self._time(lambda _: update(), range(count), together=True)

    def updater(self, architecture: Mapping[str, Any]) -> Callable[[], None]:
        """The optimizer's update of an architecture with random gradients."""
        model, optimizer = self._supernet.model, self._optimizer
        subnet = supernet_lib.extent_tensors(
            Architecture.from_dict(architecture)
        )
        gradients = [
            packing.pack([tf.random.normal(s) for s in tf.nest.flatten(part)])
            for part in parts.grouped(model, parts.shapes(model, subnet))
        ]

        def update(gradients: list[tf.Tensor], subnet: extents.Extents) -> None:
            shapes = parts.shapes(model, subnet)
            variables = self._supernet.variables_of(shapes)
            rates = optimizer.rates()
            for packed, *part in zip(
                gradients,
                *(parts.grouped(model, each) for each in (shapes, variables)),
                strict=True,
            ):
                optimizer.update_packed(
                    packed, *map(tf.nest.flatten, part), rates
                )
            optimizer.iterations.assign_add(1)

        depth = architecture["depth"]
        if depth not in self._updates:
            # The sizes are unknown, as in a training step.
            self._updates[depth] = tf.function(
                update,
                input_signature=[
                    [tf.TensorSpec([None])] * len(gradients),
                    tf.nest.map_structure(tf.TensorSpec.from_tensor, subnet),
                ],
                autograph=False,
            )
        return functools.partial(self._updates[depth], gradients, subnet)

    def prepare(self) -> list[float]:
        """Does what a training does before its first step. Times nothing."""
        if self._supernet.compiled:
            subnets = parts.samples(self._supernet.space)
            for _ in self._step.compile_ahead(
                self._images, self._targets, subnets
            ):
                pass
        return []

    def memory(self) -> list[float]:
        """The GPU memory that was in use at its highest, in bytes."""
        return [tf.config.experimental.get_memory_info("GPU:0")["peak"]]

    def describe(self) -> list[str]:
        """The GPU's name."""
        gpu = tf.config.list_physical_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        return [details.get("device_name", "a GPU")]

    def peak(self, count: int) -> list[float]:
        """Seconds of each matrix product.

        One runs on each core, or one on the GPU.
        """
        size = worker.PEAK_SIZES[self._device]
        products = cores.available() if self._device == "cpu" else 1
        shape = [1 + products, size, size]
        factors = tf.cast(tf.random.normal(shape), self._dtype)

        @functools.partial(
            tf.function, autograph=False, jit_compile=self._supernet.compiled
        )
        def multiply(factors: list[tf.Tensor]) -> list[tf.Tensor]:
            left, *rights = factors
            return [tf.matmul(left, right) for right in rights]

        factors = tf.unstack(factors)
        multiply(factors)
        seconds = self._time(lambda _: multiply(factors), range(count), True)
        return [each / products for each in seconds]

    def _time(
        self, call: Callable[[Any], Any], items: Sequence[Any], together: bool
    ) -> list[float]:
        """Seconds of each call, or the mean of all, one after the other."""
        return worker.time_all(call, items, _wait, together)


def _wait() -> None:
    """Waits for the devices' work."""
    tf.test.experimental.sync_devices()


def main() -> None:
    """Serves the cases to the parent process."""
    settings = worker.settings()
    subject = comparison.Subject(**settings["subject"])
    compilation.use(subject.compile, settings["compile_cache"])
    gpus = tf.config.list_physical_devices("GPU")
    if subject.device == "gpu":
        if not gpus:
            sys.exit("error: device is gpu, but TensorFlow finds no GPU")
        for gpu in gpus:  # The official code needs some of the memory.
            tf.config.experimental.set_memory_growth(gpu, True)
    parallel.use_cores()
    ours = Ours(subject)
    worker.serve(
        {
            "train": ours.train,
            "forward": ours.forward,
            "update": ours.update,
            "peak": ours.peak,
            "prepare": ours.prepare,
            "memory": ours.memory,
            "describe": ours.describe,
        }
    )


if __name__ == "__main__":
    main()
