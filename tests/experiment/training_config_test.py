"""The rules of the recipe."""

import math

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.experiment import training_config


class TrainingConfigTest(parameterized.TestCase):
    @parameterized.parameters(
        ({"batch_size": 0}, "batch_size is 0; it must be positive"),
        ({"accumulation": 0}, "accumulation is 0; it must be positive"),
        ({"epochs": math.nan}, "epochs is nan; it must be positive"),
        ({"learning_rate": math.inf}, "learning_rate is inf; it must be posi"),
        ({"weight_decay": -1}, "weight_decay is -1; it must be 0 or more"),
        ({"base_batch_size": -1}, "base_batch_size is -1; it must be 0 or"),
        ({"clip_norm": -0.5}, "clip_norm is -0.5; it must be 0 or more"),
        ({"clip_norm": math.nan}, "clip_norm is nan; it must be 0 or more"),
        ({"ema_decay": -0.1}, "ema_decay is -0.1; it must be 0 or more"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0; it must be below 1"),
        ({"warmup_epochs": 9, "epochs": 5}, "must not exceed epochs, 5"),
        ({"learning_rate": 1e-6}, "min_learning_rate is 1e-05; it must n"),
        (
            {"learning_rate": 1e-3, "base_batch_size": 2**20},
            "min_learning_rate is .* exceed the peak learning rate, 9.7.*e-07",
        ),
        (
            {"warmup_learning_rate": 2e-3},
            "warmup_learning_rate is 0.002; it must not exceed the peak",
        ),
        ({"seed": 2**31}, "seed is 2147483648; it must be below"),
        ({"label_smoothing": 1}, "label_smoothing is 1; it must be below"),
        (
            {"precision": "half"},
            "precision is 'half'; it must be one of float32, mixed_bfloat16, "
            "mixed_float16",
        ),
        (
            {"method": "sandwich"},
            "method is 'sandwich'; it must be one of autoformer, bignas",
        ),
    )
    def test_a_bad_value_is_named_with_its_rule(self, values, message):
        with self.assertRaisesRegex(errors.InputError, message):
            training_config.TrainingConfig(**values)

    def test_steps_are_epochs_in_batches(self):
        recipe = training_config.TrainingConfig(
            epochs=3, batch_size=8, warmup_epochs=0
        )
        self.assertEqual(recipe.steps(num_examples=80), 30)

    @parameterized.parameters((0, 2e-3), (512, 1e-3), (256, 2e-3), (64, 8e-3))
    def test_the_peak_is_in_proportion_to_the_batch(self, base, peak):
        recipe = training_config.TrainingConfig(
            learning_rate=2e-3, batch_size=256, base_batch_size=base
        )
        self.assertAlmostEqual(recipe.peak_learning_rate, peak)


if __name__ == "__main__":
    absltest.main()
