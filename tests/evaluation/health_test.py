"""A supernet whose larger subnets are less accurate is noticed."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer.data import pipeline
from tf_autoformer.evaluation import accuracy, health
from tf_autoformer.space import search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib

# 24 random subnets of a trained supernet for the digits.
HEALTHY = [0.95, 0.96, 0.97, 0.98] * 6


class WarningTest(parameterized.TestCase):
    @parameterized.parameters(
        (0.976, 0.924, HEALTHY),  # As in README.md.
        (0.96, 0.97, HEALTHY),  # Three of 288 images are no difference.
        (1.0, 1.0, HEALTHY),
        (0.0, 0.0, []),
    )
    def test_a_healthy_supernet_is_not(self, largest, smallest, others):
        self.assertIsNone(health.warning(largest, smallest, others, 288))

    def test_it_names_what_was_compared_and_what_to_do(self):
        text = health.warning(0.5, 0.8, HEALTHY, 1288)
        self.assertIn("largest subnet labels 50.0% of 1,288 validation", text)
        self.assertIn(
            "the smallest has 80.0% and the median of 24 others is 96.5%",
            text,
        )
        self.assertIn("Train longer", text)
        self.assertNotIn("\n", text)

    def test_it_names_only_what_is_better(self):
        text = health.warning(0.5, 0.4, HEALTHY, 288)
        self.assertNotIn("smallest", text)
        self.assertIn("but the median of 24 others is 96.5%.", text)
        text = health.warning(0.5, 0.8, [0.3], 288)
        self.assertIn("but the smallest has 80.0%.", text)

    # Standard errors of the difference of 50 % and 60 %: 1.43 on 100 images,
    # 4.5 on 1,000.
    @parameterized.parameters((100, False), (1000, True))
    def test_more_images_show_a_smaller_difference(self, images, expected):
        found = health.warning(0.5, 0.6, [], images)
        self.assertEqual(found is not None, expected)

    def test_equal_subnets_hardly_ever_warn(self):
        """The worst case: accuracies on images of their own."""
        accuracies = (
            np.random.default_rng(0).binomial(288, 0.9, [1000, 2]) / 288
        )
        warned = sum(
            health.warning(largest, smallest, [], 288) is not None
            for largest, smallest in accuracies
        )
        self.assertLessEqual(warned, 6)
        self.assertIsNotNone(health.warning(0.8, 0.9, [], 288))


# Depth is its only choice.
SPACE = search_space.SearchSpace((48,), (1, 2), (2,), (1.0,))


class SupernetTest(tiny.DigitsTest):
    def setUp(self):
        super().setUp()
        tf.keras.utils.set_random_seed(0)
        self.supernet = supernet_lib.Supernet(tiny.DIGITS_MODEL, SPACE)
        self.layers = self.supernet.elastic_layers()
        # The last block adds nothing, so that one head serves both depths.
        for last in ("attention", "mlp_contract"):
            for variable in self._weights(last):
                variable.assign(tf.zeros_like(variable))
        images, labels = next(
            pipeline.evaluation(
                self.dataset, "train", (8, 8), 1149
            ).as_numpy_iterator()
        )
        smallest = subnet.inherit(self.supernet, SPACE.smallest)
        pooled = tf.keras.Model(smallest.input, smallest.layers[-1].input)
        features = pooled(images).numpy()
        kernel, *_ = np.linalg.lstsq(features, np.eye(10)[labels], rcond=None)
        self.layers["head"].kernel.assign(kernel)
        self.evaluator = accuracy.Evaluator(
            tf.distribute.get_strategy(),
            self.supernet,
            self.dataset,
            "validation",
        )

    def _weights(self, layer: str) -> list[tf.Variable]:
        """The weights of a layer of the last block."""
        return self.layers[f"block_1.{layer}"].trainable_variables

    def _warning(self) -> str | None:
        largest, smallest = map(
            self.evaluator.accuracy, (SPACE.largest, SPACE.smallest)
        )
        return health.warning(largest, smallest, [smallest, largest], 288)

    def test_a_broken_last_block_is_noticed(self):
        self.assertIsNone(self._warning())
        rng = np.random.default_rng(0)
        for layer in ("attention", "mlp_contract"):
            for variable in self._weights(layer):
                variable.assign(rng.normal(size=variable.shape))
        self.assertRegex(self._warning(), "but the smallest has ")


if __name__ == "__main__":
    absltest.main()
