"""The search spaces: what is in them, and how many."""

import itertools

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import search_space

Architecture = architecture_lib.Architecture
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(1, 2), num_heads=(1, 2), mlp_ratios=(0.5, 2.0)
)


class SearchSpaceTest(parameterized.TestCase):
    @parameterized.parameters(
        # Paper, table 1.
        ("tiny", (192, 240), (12, 14), (3, 4), (3.5, 4)),
        ("small", (320, 448), (12, 14), (5, 7), (3, 4)),
        ("base", (528, 624), (14, 16), (8, 10), (3, 4)),
    )
    def test_extremes_are_the_papers(self, name, embed, depth, heads, ratio):
        space = search_space.SEARCH_SPACES[name]
        for index, found in enumerate((space.smallest, space.largest)):
            blocks = depth[index]
            expected = Architecture(
                embed_dim=embed[index],
                depth=blocks,
                num_heads=(heads[index],) * blocks,
                mlp_ratio=(ratio[index],) * blocks,
            )
            self.assertEqual(found, expected)
            space.validate(found)

    def test_the_papers_subnet_is_in_the_small_space(self):
        search_space.SEARCH_SPACES["small"].validate(
            Architecture(
                embed_dim=384,
                depth=13,
                num_heads=(6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7),
                mlp_ratio=(3, 3.5, 3, 3.5, 4, 4, 4, 4, 4, 4, 4, 3.5, 4),
            )
        )

    def test_size_counts_every_architecture(self):
        blocks = list(itertools.product((1, 2), (0.5, 2.0)))
        listed = {
            (embed, stack)
            for embed in (8, 12)
            for depth in (1, 2)
            for stack in itertools.product(blocks, repeat=depth)
        }
        self.assertLen(listed, SPACE.size)

    def test_size_of_the_tiny_space(self):
        # Three embedding dims; 2 heads × 2 ratios in each of 12 to 14 blocks.
        self.assertEqual(
            search_space.SEARCH_SPACES["tiny"].size,
            3 * (4**12 + 4**13 + 4**14),
        )

    def test_describe_names_every_choice(self):
        # 2 × (4 + 16) = 40 architectures, 10^1.6.
        self.assertEqual(
            SPACE.describe(),
            "embed dim 8, 12; depth 1, 2; heads 1, 2; MLP ratio 0.5, 2: "
            "10^1.6 architectures",
        )

    @parameterized.parameters(
        (10, (1, 2), (2.0, 0.5), r"embed_dim is 10, .* it allows 8, 12"),
        (8, (1,) * 3, (2.0,) * 3, r"depth is 3, .* it allows 1, 2"),
        (8, (1, 3), (2.0, 0.5), r"num_heads\[1\] is 3, .* it allows 1, 2"),
        (8, (1, 2), (2.5, 0.5), r"mlp_ratio\[0\] is 2.5, .* allows 0.5, 2"),
    )
    def test_what_is_outside_is_named(self, embed, heads, ratios, message):
        outside = Architecture(embed, len(heads), heads, ratios)
        with self.assertRaisesRegex(errors.InputError, message):
            SPACE.validate(outside)

    @parameterized.parameters(
        ("embed_dims", (), "ascending and distinct"),
        ("depths", (2, 1), "ascending and distinct"),
        ("num_heads", (1, 1), "ascending and distinct"),
        ("mlp_ratios", (0.0, 1.0), "positive"),
        ("embed_dims", (-8, 8), "positive"),
    )
    def test_bad_choices_are_named(self, field, choices, rule):
        good = {
            "embed_dims": (8,),
            "depths": (1,),
            "num_heads": (1,),
            "mlp_ratios": (1.0,),
        }
        with self.assertRaisesRegex(
            errors.InputError, rf"{field} is \(.*\); choices must .*{rule}"
        ):
            search_space.SearchSpace(**(good | {field: choices}))


if __name__ == "__main__":
    absltest.main()
