"""The rules of how a training is run and shown."""

import dataclasses

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.experiment import training_config
from tf_autoformer.training import run_config


class RunConfigTest(parameterized.TestCase):
    @parameterized.parameters(
        ({"log_every": 0}, "log_every is 0; it must be at least 1"),
        ({"evaluate_every": -1}, "evaluate_every is -1; it must be at least"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0; it must be at lea"),
        ({"watched_subnets": -1}, "watched_subnets is -1; it must be at lea"),
        (
            {"strategy": "tpu"},
            "strategy is 'tpu'; it must be one of mirrored, one_device, "
            "multi_worker_mirrored",
        ),
    )
    def test_a_bad_value_is_named_with_its_rule(self, values, message):
        with self.assertRaisesRegex(errors.InputError, message):
            run_config.RunConfig(**values)

    def test_no_field_is_of_the_recipe_too(self):
        names = [
            {field.name for field in dataclasses.fields(kind)}
            for kind in (
                run_config.RunConfig,
                training_config.TrainingConfig,
            )
        ]
        self.assertEmpty(set.intersection(*names))


if __name__ == "__main__":
    absltest.main()
