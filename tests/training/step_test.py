"""The training step: what it changes, its replicas and its traces."""

import random

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests import devices
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import config, guard, loop, step

SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
BATCH = 8
SMOOTHING = 0.1

devices.make_two_cpus()


def _model(drop_path: float, layout: str) -> model_lib.ModelConfig:
    return model_lib.ModelConfig(
        num_classes=5,
        image_size=12,
        patch_size=4,
        head_dim=4,
        max_relative_offset=1,
        qkv_bias_layout=layout,
        drop_path=drop_path,
        init_stddev=0.1,
    )


class _Training:
    """A supernet with optimizer and step, on some virtual CPUs."""

    def __init__(
        self,
        replicas: int,
        drop_path: float = 0.0,
        layout: str = "heads",
        **recipe,
    ):
        self.strategy = tf.distribute.MirroredStrategy(
            [f"/cpu:{index}" for index in range(replicas)]
        )
        tf.keras.utils.set_random_seed(0)
        recipe = config.TrainingConfig(
            epochs=10,
            batch_size=BATCH,
            # Not more: the key's bias has no gradient but rounding, which
            # Adam scales up to the rate.
            learning_rate=1e-3,
            warmup_epochs=1,
            weight_decay=0.1,
            label_smoothing=SMOOTHING,
            **recipe,
        )
        with self.strategy.scope():
            self.supernet = supernet_lib.Supernet(
                _model(drop_path, layout), SPACE
            )
            self.optimizer = loop.make_optimizer(recipe, 40, 4 * BATCH)
            self.optimizer.build(self.supernet.trainable_variables)
            self.guard = guard.Guard()
        self.step = step.TrainStep(
            self.strategy, self.supernet, self.optimizer, recipe, self.guard
        )

    def run(self, architectures) -> np.ndarray:
        """One step for each architecture.

        Returns:
          [steps, (loss, gradient norm, learning rate)].
        """
        batches = iter(
            self.strategy.experimental_distribute_dataset(
                tf.data.Dataset.from_tensor_slices(_data(len(architectures)))
                .batch(BATCH)
                .repeat()
            )
        )
        return np.array(
            [
                _numbers(self.step(*next(batches), [architecture]))
                for architecture in architectures
            ]
        )

    def state(self) -> list[np.ndarray]:
        """Weights, first and second moments."""
        return [
            variable.numpy()
            for variables in (
                self.supernet.trainable_variables,
                self.optimizer.first_moments,
                self.optimizer.second_moments,
            )
            for variable in variables
        ]


def _numbers(metrics: step.StepMetrics) -> list[float]:
    (loss,) = metrics.losses
    return [float(loss), *map(float, metrics[1:3])]


def _data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    images = rng.randn(steps * BATCH, 12, 12, 3).astype(np.float32)
    labels = rng.randint(0, 5, [steps * BATCH])
    return images, np.eye(5, dtype=np.float32)[labels]


def _draw(count: int, seed: int = 0) -> list:
    rng = random.Random(seed)
    return [sampling.uniform(SPACE, rng) for _ in range(count)]


class TrainStepTest(parameterized.TestCase):
    @parameterized.parameters("heads", "flat")
    def test_changes_the_sampled_slices_and_nothing_else_by_a_bit(self, layout):
        training = _Training(replicas=1, layout=layout)
        training.run([SPACE.largest] * 2)  # Fills every moment.
        for architecture in (SPACE.smallest, *_draw(2, seed=5)):
            before = training.state()
            training.run([architecture])
            boxes = {}
            standalone = subnet.build(training.supernet.model, architecture)
            for name, layer in training.supernet.elastic_layers().items():
                for weight in layer.axes:
                    variable = getattr(layer, weight)
                    try:
                        held = getattr(standalone.get_layer(name), weight)
                        boxes[id(variable)] = held.shape
                    except ValueError:  # Deeper than the subnet.
                        boxes[id(variable)] = [0] * variable.shape.rank
            variables = training.supernet.trainable_variables

            for index, (was, now) in enumerate(
                zip(before, training.state(), strict=True)
            ):
                variable = variables[index % len(variables)]
                box = tuple(slice(size) for size in boxes[id(variable)])
                changed = was.view(np.int32) != now.view(np.int32)
                inside = changed[box]
                if inside.size and "key_" not in variable.name:
                    # Offsets that no pair of this grid has get no gradient.
                    self.assertGreater(inside.mean(), 0.3, variable.name)
                changed[box] = False
                self.assertFalse(changed.any(), variable.name)

    def test_equals_the_standalone_subnets_step_under_stock_adamw(self):
        training = _Training(replicas=1)
        training.run([SPACE.largest] * 3)
        (architecture,) = _draw(1, seed=9)
        supernet, optimizer = training.supernet, training.optimizer
        standalone = subnet.inherit(supernet, architecture)
        stock = tf.keras.optimizers.AdamW(
            optimizer._learning_rate,
            weight_decay=0.1,
            epsilon=1e-8,
            jit_compile=False,
        )
        decayed = ("kernel:0", "qkv_kernel:0", "projection_kernel:0")
        stock.exclude_from_weight_decay(
            var_list=[
                v
                for v in standalone.trainable_variables
                if v.name.split("/")[-1] not in decayed
            ]
        )
        stock.build(standalone.trainable_variables)
        stock.iterations.assign(optimizer.iterations)
        moments = dict(
            zip(
                map(id, standalone.trainable_variables),
                zip(stock._momentums, stock._velocities, strict=True),
                strict=True,
            )
        )
        index = {id(v): i for i, v in enumerate(supernet.trainable_variables)}
        pairs = []
        for name, layer in supernet.elastic_layers().items():
            if name not in [each.name for each in standalone.layers]:
                continue
            for weight in layer.axes:
                big = getattr(layer, weight)
                small = getattr(standalone.get_layer(name), weight)
                box = tuple(slice(size) for size in small.shape)
                first, second = moments[id(small)]
                place = index[id(big)]
                first.assign(optimizer.first_moments[place].numpy()[box])
                second.assign(optimizer.second_moments[place].numpy()[box])
                pairs.append((f"{name}.{weight}", big, small, box))

        training.run([architecture])
        images, targets = _data(1)
        with tf.GradientTape() as tape:
            losses = tf.keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=SMOOTHING
            )(targets, standalone(images))
        gradients = tape.gradient(losses, standalone.trainable_variables)
        stock.apply_gradients(
            zip(gradients, standalone.trainable_variables, strict=True)
        )

        self.assertLen(pairs, len(standalone.trainable_variables))
        for name, big, small, box in pairs:
            np.testing.assert_allclose(
                big.numpy()[box], small, atol=1e-6, rtol=0, err_msg=name
            )

    def test_one_and_two_replicas_agree_over_20_steps(self):
        one, two = (_Training(n, drop_path=0.3) for n in (1, 2))
        architectures = _draw(20)

        metrics = [training.run(architectures) for training in (one, two)]

        np.testing.assert_allclose(*metrics, atol=1e-5, rtol=0)
        self.assertGreater(np.ptp(metrics[0][:, 0]), 0.01)
        for first, second in zip(one.state(), two.state(), strict=True):
            np.testing.assert_allclose(first, second, atol=1e-5, rtol=0)

    def test_200_architectures_after_each_depths_first_cause_no_trace(self):
        training = _Training(replicas=1)
        architectures = _draw(200)
        training.run([SPACE.smallest, SPACE.largest])  # Depth 1, depth 2.
        traces = training.step.traces

        training.run(architectures)

        self.assertLen(set(architectures), len(set(architectures)))
        self.assertGreater(len(set(architectures)), 100)
        self.assertEqual(traces, 2)
        self.assertEqual(training.step.traces, 2)
        for nested in (training.supernet._block, training.optimizer._update):
            self.assertEqual(nested.experimental_get_tracing_count(), 1)

    def test_drop_path_depends_on_the_step_and_not_on_the_run(self):
        first, second, without = (
            _Training(1, drop_path=rate).run([SPACE.largest] * 2)
            for rate in (0.5, 0.5, 0.0)
        )

        np.testing.assert_array_equal(first, second)
        self.assertGreater(np.abs(first - without).max(), 1e-3)

    def test_reports_the_loss_norm_and_rate_of_this_step(self):
        training = _Training(replicas=1)
        images, targets = _data(1)
        standalone = subnet.inherit(training.supernet, SPACE.smallest)

        (metrics,) = training.run([SPACE.smallest])

        with tf.GradientTape() as tape:
            loss = tf.keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=SMOOTHING
            )(targets, standalone(images))
        gradients = tape.gradient(loss, standalone.trainable_variables)
        norm = np.sqrt(
            sum(np.sum(np.square(tf.convert_to_tensor(g))) for g in gradients)
        )
        # 1e-6 is where the warm-up starts.
        np.testing.assert_allclose(metrics, [loss, norm, 1e-6], rtol=1e-5)


if __name__ == "__main__":
    absltest.main()
