"""Parameters and MACs against the official figures and a count by hand."""

import dataclasses
import json
import pathlib
import random

from absl.testing import absltest, parameterized

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, published, sampling, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture

# Model settings, architectures and the parameters that the official code
# counts in them.
OFFICIAL = json.loads(
    (
        pathlib.Path(__file__).parent.parent
        / "goldens"
        / "official_params.json"
    ).read_text()
)

# Of the published subnets: parameters, and 10^9 MACs without and with relative
# position, as measured with the official code.
PUBLISHED = {
    "autoformer_t": (5_867_944, 1.28, 1.48),
    "autoformer_s": (22_891_432, 4.77, 5.16),
    "autoformer_b": (53_692_000, 11.05, 11.69),
}
SMALL = published.load("autoformer_s")
IMAGENET = model_lib.ModelConfig(num_classes=1000)

# 2 × 2 patches and the class token: 5 tokens.
HAND_MODEL = model_lib.ModelConfig(
    num_classes=10,
    image_size=8,
    patch_size=4,
    head_dim=4,
    max_relative_offset=1,
)
HAND_ARCHITECTURE = Architecture(
    embed_dim=8, depth=1, num_heads=(2,), mlp_ratio=(3.0,)
)

# As a device could have it, in which only the depth counts.
LATENCY = cost.Cost(
    "latency",
    "ms",
    lambda model, architecture: architecture.depth / 10,
    "milliseconds for one image",
)


class CostTest(parameterized.TestCase):
    @parameterized.parameters(*OFFICIAL)
    def test_params_are_what_the_official_code_counts(
        self, model, architectures
    ):
        config = model_lib.ModelConfig(
            num_classes=model["num_classes"],
            image_size=model["img_size"],
            patch_size=model["patch_size"],
            pooling="average" if model["gp"] else "cls",
            max_relative_offset=model["max_relative_position"],
        )
        self.assertLen(architectures, 4)
        for values in architectures:
            expected = values.pop("official_params")
            architecture = Architecture.from_dict(values)
            self.assertEqual(cost.params(config, architecture), expected)

    @parameterized.parameters(*PUBLISHED)
    def test_params_of_the_published_subnets(self, name):
        expected, _, _ = PUBLISHED[name]
        found = cost.params(IMAGENET, published.load(name))
        if name == "autoformer_b":  # Known to the nearest thousand.
            found = round(found, -3)
        self.assertEqual(found, expected)

    @parameterized.parameters(*PUBLISHED)
    def test_macs_of_the_published_subnets(self, name):
        _, without, with_relative = PUBLISHED[name]
        subnet = published.load(name)
        found = cost.macs(IMAGENET, subnet) / 1e9
        self.assertAlmostEqual(found / without, 1, delta=0.01)
        found = sum(cost.macs_by_part(IMAGENET, subnet).values()) / 1e9
        self.assertAlmostEqual(found / with_relative, 1, delta=0.01)

    def test_both_layouts_of_the_qkv_bias_cost_the_same(self):
        flat = dataclasses.replace(IMAGENET, qkv_bias_layout="flat")
        for name in PUBLISHED:
            subnet = published.load(name)
            self.assertEqual(
                cost.measured(cost.COSTS, flat, subnet),
                cost.measured(cost.COSTS, IMAGENET, subnet),
            )

    def test_params_by_hand(self):
        qkv = 3 * 2 * 4  # Queries, keys and values of two heads, each 4 wide.
        expected = (
            (4 * 4 * 3) * 8  # Patch embedding: 4 × 4 pixels, RGB
            + 8  # and its bias.
            + 8  # Class token.
            + 5 * 8  # Absolute position of 5 tokens.
            + 2 * 8  # Norm before attention.
            + 8 * qkv
            + qkv  # Bias.
            + (2 * 4) * 8  # Output projection of two heads
            + 8  # and its bias.
            # Vertical and horizontal, keys and values: offsets -1, 0 and 1
            # and the class token's.
            + 4 * (3 + 1) * 4
            + 2 * 8  # Norm before the MLP.
            + 8 * 24  # MLP with 3 · 8 hidden channels
            + 24  # and its biases.
            + 24 * 8
            + 8
            + 2 * 8  # Last norm.
            + 8 * 10  # Head
            + 10  # and its bias.
        )
        self.assertEqual(cost.params(HAND_MODEL, HAND_ARCHITECTURE), expected)

    def test_macs_by_hand(self):
        self.assertEqual(
            cost.macs_by_part(HAND_MODEL, HAND_ARCHITECTURE),
            {
                # 4 patches of 4 × 4 RGB pixels to 8 channels.
                "patch_embedding": 4 * (4 * 4 * 3) * 8,
                # 5 tokens: 8 channels to q, k, v of 2 heads, and back.
                "projections": 5 * (8 * (3 * 2 * 4) + (2 * 4) * 8),
                # 2 heads, 5 × 5 pairs, 4 channels: QKᵀ and AV.
                "attention": 2 * (2 * 5 * 5 * 4),
                # The same with relative embeddings of keys and of values.
                "relative_position": 2 * (2 * 5 * 5 * 4),
                # 5 tokens: 8 channels to 24 and back.
                "mlp": 5 * (8 * 24 + 24 * 8),
                # One pooled token to 10 classes.
                "head": 8 * 10,
            },
        )

    def test_macs_leave_relative_position_out(self):
        # The sum of the hand count's other parts.
        expected = 1536 + 5 * 256 + 400 + 5 * 384 + 80
        self.assertEqual(cost.macs(HAND_MODEL, HAND_ARCHITECTURE), expected)

    def test_macs_of_an_image_that_is_not_square(self):
        # 1 × 3 patches and the class token: 4 tokens in place of 5.
        model = dataclasses.replace(HAND_MODEL, image_size=(4, 12))
        self.assertEqual(
            cost.macs_by_part(model, HAND_ARCHITECTURE),
            {
                "patch_embedding": 3 * (4 * 4 * 3) * 8,
                "projections": 4 * 256,
                "attention": 2 * (2 * 4 * 4 * 4),
                "relative_position": 2 * (2 * 4 * 4 * 4),
                "mlp": 4 * 384,
                "head": 80,
            },
        )

    def test_without_relative_position_neither_has_a_cost(self):
        model = model_lib.ModelConfig(num_classes=1000, position="absolute")
        parts = cost.macs_by_part(model, SMALL)
        self.assertEqual(parts["relative_position"], 0)
        self.assertEqual(cost.macs(model, SMALL), cost.macs(IMAGENET, SMALL))
        # 13 blocks, 4 tables, offsets -14 to 14 and the class token's, 64 wide.
        self.assertEqual(
            cost.params(IMAGENET, SMALL) - cost.params(model, SMALL),
            13 * 4 * 30 * 64,
        )

    def test_relative_position_of_the_keys_alone_has_half_the_cost(self):
        model = dataclasses.replace(HAND_MODEL, position="relative_keys")
        both, keys = (
            cost.macs_by_part(each, HAND_ARCHITECTURE)
            for each in (HAND_MODEL, model)
        )
        # 2 heads, 5 × 5 pairs, 4 channels.
        self.assertEqual(keys, both | {"relative_position": 2 * 5 * 5 * 4})
        # No absolute position of 5 tokens, and two tables in place of four.
        self.assertEqual(
            cost.params(HAND_MODEL, HAND_ARCHITECTURE)
            - cost.params(model, HAND_ARCHITECTURE),
            5 * 8 + 2 * (3 + 1) * 4,
        )

    @parameterized.parameters("tiny", "small", "base")
    def test_smallest_and_largest_bound_what_grows(self, name):
        space = search_space.SEARCH_SPACES[name]
        rng = random.Random(0)
        for each in cost.COSTS:
            self.assertTrue(each.grows)
            low = each.measure(IMAGENET, space.smallest)
            high = each.measure(IMAGENET, space.largest)
            for _ in range(100):
                value = each.measure(IMAGENET, sampling.uniform(space, rng))
                self.assertBetween(value, low, high)


class CostValueTest(parameterized.TestCase):
    def test_the_costs_are_params_and_macs(self):
        self.assertEqual(
            cost.measured(cost.COSTS, IMAGENET, SMALL),
            {
                "params": cost.params(IMAGENET, SMALL),
                "macs": cost.macs(IMAGENET, SMALL),
            },
        )

    @parameterized.parameters(
        (cost.PARAMS, 13_458, "13,458 params"),
        (cost.MACS, 4_770_000_000, "4,770,000,000 MACs"),
        (LATENCY, 3.7, "3.70 ms"),
        (LATENCY, 1234.567, "1,234.57 ms"),
        (LATENCY, 4, "4 ms"),
    )
    def test_a_number_is_told_with_its_unit(self, each, value, expected):
        self.assertEqual(each.text(value), expected)
        self.assertEqual(each.number(value), expected.split()[0])

    def test_a_cost_of_run_time_is_measured_like_the_others(self):
        self.assertEqual(
            cost.measured((cost.PARAMS, LATENCY), IMAGENET, SMALL),
            {"params": 22_891_432, "latency": 1.3},
        )


if __name__ == "__main__":
    absltest.main()
