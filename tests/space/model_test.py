"""The fixed part of the network."""

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import model as model_lib


class ModelConfigTest(parameterized.TestCase):
    def test_tokens_of_the_papers_input(self):
        # 224 / 16 = 14 patches a side, and the class token.
        model = model_lib.ModelConfig(num_classes=1000)
        self.assertEqual(model.grid, (14, 14))
        self.assertEqual(model.num_tokens, 197)

    @parameterized.parameters(
        ("none", False, False),
        ("absolute", True, False),
        ("relative", False, True),
        ("both", True, True),
    )
    def test_position(self, position, absolute, relative):
        model = model_lib.ModelConfig(num_classes=10, position=position)
        self.assertEqual(model.has_absolute_position, absolute)
        self.assertEqual(model.has_relative_position, relative)

    def test_drop_path_grows_linearly_from_zero_to_its_rate(self):
        model = model_lib.ModelConfig(num_classes=10, drop_path=0.3)
        self.assertSequenceAlmostEqual(
            model.drop_path_rates(4), [0.0, 0.1, 0.2, 0.3]
        )
        self.assertEqual(model.drop_path_rates(1), [0.0])

    @parameterized.parameters(
        ("num_classes", 0, "num_classes is 0; it must be positive"),
        ("image_size", -8, "image_size is -8; it must be positive"),
        ("patch_size", 0, "patch_size is 0; it must be positive"),
        ("channels", 0, "channels is 0; it must be positive"),
        ("head_dim", 0, "head_dim is 0; it must be positive"),
        ("max_relative_offset", 0, "max_relative_offset is 0; .* positive"),
        ("init_stddev", 0.0, "init_stddev is 0.0; it must be positive"),
        ("image_size", 30, "image_size is 30; .* multiple of patch_size, 16"),
        ("pooling", "max", "pooling is 'max'; .* one of cls, average"),
        ("position", "1d", "position is '1d'; .* none, absolute, relative"),
        ("drop_path", 1.0, r"drop_path is 1.0; it must be in \[0, 1\)"),
        ("drop_path", -0.1, r"drop_path is -0.1; it must be in \[0, 1\)"),
        ("drop_path", float("nan"), "drop_path is nan; it must be in"),
    )
    def test_bad_value_names_field_value_and_rule(self, field, value, message):
        with self.assertRaisesRegex(errors.InputError, message):
            model_lib.ModelConfig(**({"num_classes": 10} | {field: value}))


if __name__ == "__main__":
    absltest.main()
