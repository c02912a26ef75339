"""The optimizers compute what the papers say, on one replica and on two."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import trainings
from tf_autoformer.finetuning import finetuning_config, optimizers

STEPS = 4
START, GRADIENT = 0.5, np.float32([[0.3, -0.2]])


def recipe(**fields) -> finetuning_config.FinetuningConfig:
    return finetuning_config.FinetuningConfig(
        **{
            "epochs": 2,
            "learning_rate": 0.1,
            "min_learning_rate": 0.02,
            "weight_decay": 0.3,
            **fields,
        }
    )


def rate(step: int) -> float:
    """The cosine over the four steps."""
    return 0.02 + 0.08 * (1 + math.cos(math.pi * step / STEPS)) / 2


def taken(
    config: finetuning_config.FinetuningConfig, replicas: int
) -> dict[str, np.ndarray]:
    """Three variables after the steps, by name, or their averages."""
    with trainings.strategy(replicas).scope():
        names = ("patch_embedding/kernel", "head/bias", "position/embedding")
        variables = [tf.Variable([[START, START]], name=name) for name in names]
        optimizer = optimizers.make(config, 2, variables)

    @tf.function
    def step():
        optimizer.apply_gradients(
            (tf.constant(GRADIENT / replicas), each) for each in variables
        )

    for _ in range(STEPS):
        trainings.strategy(replicas).run(step)
    if config.ema_decay:
        optimizer.assign_average_vars(variables)
    return {
        name: variable.numpy()
        for name, variable in zip(names, variables, strict=True)
    }


def expected(
    config: finetuning_config.FinetuningConfig, decayed: bool
) -> np.ndarray:
    """The same by the papers' formulas."""
    value, average = np.float64([[START, START]]), np.float64([[START, START]])
    first = second = velocity = np.zeros([1, 2])
    for step in range(STEPS):
        decay = config.weight_decay * rate(step) * decayed
        value = value * (1 - decay)
        if config.optimizer == "sgd":
            velocity = config.momentum * velocity - rate(step) * GRADIENT
            value = value + velocity
        else:
            first = 0.9 * first + 0.1 * GRADIENT
            second = 0.999 * second + 0.001 * GRADIENT**2
            corrected = first / (1 - 0.9 ** (step + 1))
            root = np.sqrt(second / (1 - 0.999 ** (step + 1)))
            value = value - rate(step) * corrected / (root + 1e-8)
        share = min(config.ema_decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * value
    return average if config.ema_decay else value


class OptimizerTest(parameterized.TestCase):
    @parameterized.parameters(
        ("adamw", 0.0, 1), ("sgd", 0.2, 1), ("adamw", 0.2, 2), ("sgd", 0.0, 2)
    )
    def test_only_kernels_decay_at_the_learning_rate_of_the_step(
        self, optimizer, ema_decay, replicas
    ):
        config = recipe(optimizer=optimizer, ema_decay=ema_decay)
        found = taken(config, replicas)
        for name, value in found.items():
            np.testing.assert_allclose(
                value,
                expected(config, decayed=name.endswith("kernel")),
                rtol=2e-5,
                err_msg=name,
            )

    def test_a_warm_up_is_linear(self):
        rates = optimizers.rates(
            recipe(epochs=4, warmup_epochs=2, warmup_learning_rate=0.01), 5
        )
        found = [float(rates(step)) for step in range(11)]
        np.testing.assert_allclose(found, np.linspace(0.01, 0.1, 11), rtol=1e-5)
        self.assertAlmostEqual(float(rates(20)), 0.02, places=6)

    def test_equal_ends_are_a_constant_learning_rate(self):
        rates = optimizers.rates(recipe(min_learning_rate=0.1), 2)
        for step in range(STEPS):
            self.assertEqual(float(rates(step)), np.float32(0.1))


if __name__ == "__main__":
    absltest.main()
