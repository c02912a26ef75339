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
        # Height first; two equal sides are a square.
        (224, (224, 224), (14, 14), 197),
        ((224, 224), (224, 224), (14, 14), 197),
        ((224, 320), (224, 320), (14, 20), 281),
        ((16, 48), (16, 48), (1, 3), 4),
    )
    def test_sizes_of_any_proportions(self, image_size, input_size, grid, num):
        model = model_lib.ModelConfig(num_classes=10, image_size=image_size)
        self.assertEqual(model.input_size, input_size)
        self.assertEqual(model.grid, grid)
        self.assertEqual(model.num_tokens, num)

    def test_the_qkv_bias_is_laid_out_by_heads_or_flat(self):
        model = model_lib.ModelConfig(num_classes=10)
        self.assertEqual(model.qkv_bias_layout, "heads")
        flat = model_lib.ModelConfig(num_classes=10, qkv_bias_layout="flat")
        self.assertEqual(flat.qkv_bias_layout, "flat")

    @parameterized.parameters(
        ("none", False, False, False),
        ("absolute", True, False, False),
        ("relative", False, True, True),
        ("relative_keys", False, True, False),
        ("both", True, True, True),
    )
    def test_position(self, position, absolute, keys, values):
        model = model_lib.ModelConfig(num_classes=10, position=position)
        self.assertEqual(model.has_absolute_position, absolute)
        self.assertEqual(model.has_relative_keys, keys)
        self.assertEqual(model.has_relative_values, values)

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
        ("head_dim", 10**9, "head_dim is 1000000000; .* at most 100000"),
        ("image_size", 16 * 10**8, "image_size is 16.*; .* at most 100000"),
        ("max_relative_offset", 0, "max_relative_offset is 0; .* positive"),
        ("init_stddev", 0.0, "init_stddev is 0.0; it must be positive"),
        ("image_size", 30, "image_size is 30; .* multiple of patch_size, 16"),
        (
            "image_size",
            (0, 16),
            r"image_size is \(0, 16\); it must be positive",
        ),
        ("image_size", (16, -16), r"image_size is \(16, -16\); .* positive"),
        (
            "image_size",
            (224, 300),
            r"image_size is \(224, 300\); .* multiple of patch_size, 16",
        ),
        ("image_size", (30, 32), r"image_size is \(30, 32\); .* multiple of"),
        ("qkv_bias_layout", "rows", "layout is 'rows'; .* one of heads, flat"),
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
