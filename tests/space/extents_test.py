"""Weight entanglement: a smaller choice is a prefix of a larger one."""

import dataclasses
import itertools

from absl.testing import absltest, parameterized

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
MODEL = model_lib.ModelConfig(num_classes=10, image_size=32)
FLAT = dataclasses.replace(MODEL, qkv_bias_layout="flat")


def _shapes(
    architecture: Architecture, model: model_lib.ModelConfig = MODEL
) -> dict[tuple[str, str], tuple]:
    layers = extents.layers(model, extents.of(architecture))
    return {
        (name, weight): layer.shape(weight)
        for name, layer in layers.items()
        for weight in layer.axes
    }


class ExtentsTest(parameterized.TestCase):
    @parameterized.parameters(
        (216, 3.5, 756),  # Tiny; not a multiple of 16.
        (240, 3.5, 840),
        (192, 3.0, 576),
        (50, 0.58, 28),  # Rounded down: 28.999….
        (9, 0.5, 4),  # Rounded down: 4.5.
    )
    def test_hidden_dim_is_the_whole_part_of_embed_dim_times_ratio(
        self, embed_dim, ratio, hidden
    ):
        found = extents.of(Architecture(embed_dim, 2, (3, 4), (ratio, 4.0)))
        self.assertEqual(found, (embed_dim, (3, 4), (hidden, 4 * embed_dim)))

    @parameterized.parameters(MODEL, FLAT)
    def test_every_smaller_choice_is_a_prefix_of_every_larger_one(self, model):
        space = search_space.SearchSpace(
            embed_dims=(8, 12),
            depths=(1, 2),
            num_heads=(1, 2),
            mlp_ratios=(0.5, 2.0),
        )
        choices = itertools.product(
            space.embed_dims,
            space.depths,
            space.num_heads,
            space.num_heads,
            space.mlp_ratios,
            space.mlp_ratios,
        )
        everything = [
            Architecture(embed, depth, heads[:depth], ratios[:depth])
            for embed, depth, *blocks in choices
            for heads, ratios in [(tuple(blocks[:2]), tuple(blocks[2:]))]
        ]

        def at_most(small: Architecture, large: Architecture) -> bool:
            return (
                small.embed_dim <= large.embed_dim
                and small.depth <= large.depth
                and all(map(int.__le__, small.num_heads, large.num_heads))
                and all(map(float.__le__, small.mlp_ratio, large.mlp_ratio))
            )

        compared = 0
        for small, large in itertools.product(everything, repeat=2):
            if not at_most(small, large):
                continue
            whole = _shapes(large, model)
            for weight, shape in _shapes(small, model).items():
                self.assertLen(shape, len(whole[weight]))
                for extent, limit in zip(shape, whole[weight], strict=True):
                    self.assertLessEqual(extent, limit, weight)
            compared += 1
        self.assertGreater(compared, len(everything))

    def test_every_axis_takes_its_size_from_the_right_choice(self):
        shapes = _shapes(Architecture(216, 2, (3, 4), (3.5, 4.0)))
        expected = {
            # 32 / 16 = 2 patches a side: 4 and the class token.
            ("patch_embedding", "kernel"): (16, 16, 3, 216),
            ("class_token", "embedding"): (1, 1, 216),
            ("position", "embedding"): (1, 5, 216),
            ("block_0.attention", "qkv_kernel"): (216, 3, 3, 64),
            ("block_1.attention", "qkv_kernel"): (216, 3, 4, 64),
            ("block_1.attention", "qkv_bias"): (3, 4, 64),
            ("block_1.attention", "projection_kernel"): (4, 64, 216),
            # Offsets from -14 to 14, and the class token's row.
            ("block_1.attention", "value_vertical"): (30, 64),
            ("block_0.mlp_expand", "kernel"): (216, 756),
            ("block_0.mlp_contract", "kernel"): (756, 216),
            ("block_1.mlp_expand", "bias"): (864,),
            ("norm", "gamma"): (216,),
            ("head", "kernel"): (216, 10),
            ("head", "bias"): (10,),
        }
        self.assertEqual({key: shapes[key] for key in expected}, expected)

    def test_a_flat_qkv_bias_is_one_prefix_of_three_entries_a_channel(self):
        architecture = Architecture(216, 2, (3, 4), (3.5, 4.0))
        by_heads, flat = (
            _shapes(architecture, model) for model in (MODEL, FLAT)
        )
        changed = {key for key in flat if flat[key] != by_heads[key]}
        biases = {
            ("block_0.attention", "qkv_bias"): (3 * 3 * 64,),
            ("block_1.attention", "qkv_bias"): (3 * 4 * 64,),
        }
        self.assertEqual({key: flat[key] for key in changed}, biases)
        self.assertEqual(flat.keys(), by_heads.keys())
        axes = extents.block_axes(FLAT)["attention"]
        self.assertEqual(axes["qkv_bias"], (extents.QKV,))

    def test_sizes_of_the_elastic_axes_of_a_block(self):
        self.assertEqual(
            extents.sizes(MODEL, embed_dim=216, heads=3, hidden_dim=756),
            {
                extents.EMBED: 216,
                extents.HEADS: 3,
                extents.HIDDEN: 756,
                extents.QKV: 576,
            },
        )

    def test_a_position_embedding_has_an_entry_for_each_patch(self):
        model = dataclasses.replace(MODEL, image_size=(32, 80))
        shapes = _shapes(Architecture(216, 1, (3,), (4.0,)), model)
        # 2 × 5 patches and the class token.
        self.assertEqual(shapes["position", "embedding"], (1, 11, 216))

    @parameterized.parameters(
        ("none", False, ()),
        ("absolute", True, ()),
        ("relative", False, ("key", "value")),
        ("relative_keys", False, ("key",)),
        ("both", True, ("key", "value")),
    )
    def test_only_the_chosen_position_embeddings_exist(
        self, position, absolute, relative
    ):
        model = model_lib.ModelConfig(num_classes=10, position=position)
        layers = extents.layers(
            model, extents.of(Architecture(192, 1, (3,), (4.0,)))
        )
        self.assertEqual("position" in layers, absolute)
        weights = layers["block_0.attention"].axes
        self.assertCountEqual(
            [each for each in weights if each.startswith(("key_", "value_"))],
            [
                f"{side}_{axis}"
                for side in relative
                for axis in ("vertical", "horizontal")
            ],
        )


if __name__ == "__main__":
    absltest.main()
