"""The learning rate: Keras' warm-up and cosine, without a condition."""

import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.experiment import schedule


class WarmupCosineTest(parameterized.TestCase):
    @parameterized.parameters(0, 10)
    def test_has_the_values_of_keras(self, warmup):
        keras = tf.keras.optimizers.schedules.CosineDecay(
            1e-6, 90, 1e-5 / 5e-4, warmup_target=5e-4, warmup_steps=warmup
        )
        rates = schedule.WarmupCosine(1e-6, 5e-4, 1e-5, warmup, 90)

        for step in (0, 1, 3, 9, 10, 11, 50, 99, 100, 120):
            self.assertEqual(float(rates(step)), float(keras(step)), step)

    def test_its_graph_waits_for_no_condition(self):
        rates = schedule.WarmupCosine(1e-6, 5e-4, 1e-5, 10, 90)
        graph = tf.function(rates).get_concrete_function(
            tf.TensorSpec([], tf.int64)
        )

        kinds = {op.type for op in graph.graph.get_operations()}
        self.assertIn("SelectV2", kinds)
        self.assertNoCommonElements(kinds, {"If", "StatelessIf", "Switch"})

    def test_its_configuration_makes_it_again(self):
        rates = schedule.WarmupCosine(1e-6, 5e-4, 1e-5, 10, 90)

        again = schedule.WarmupCosine.from_config(rates.get_config())

        self.assertEqual(float(again(50)), float(rates(50)))


if __name__ == "__main__":
    absltest.main()
