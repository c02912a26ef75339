"""The search spaces: what is in them, and how many."""

import dataclasses
import itertools
import json

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import published, search_space

Allocation = search_space.Allocation
Architecture = architecture_lib.Architecture
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(1, 2), num_heads=(1, 2), mlp_ratios=(0.5, 2.0)
)
TINY = search_space.SEARCH_SPACES["tiny"]


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

    def test_describe_abbreviates_many_choices(self):
        space = search_space.SearchSpace(
            embed_dims=tuple(range(8, 256, 8)),
            depths=tuple(range(1, 12)),
            num_heads=tuple(range(1, 11)),  # As many as are listed.
            mlp_ratios=(0.5,),
        )
        self.assertStartsWith(
            space.describe(),
            "embed dim 8, 16, …, 248; depth 1, 2, …, 11; "
            "heads 1, 2, 3, 4, 5, 6, 7, 8, 9, 10; MLP ratio 0.5: 10^",
        )
        with self.assertRaisesRegex(
            errors.InputError, "embed_dim is 9, .* it allows 8, 16, …, 248$"
        ):
            space.validate(Architecture(9, 1, (1,), (0.5,)))

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


class AllocationTest(parameterized.TestCase):
    @parameterized.parameters(
        # The official code's super-networks.
        ("tiny", 256, 14, 4),
        ("small", 448, 14, 7),
        ("base", 640, 16, 10),
    )
    def test_the_papers_spaces_have_the_official_one(
        self, name, embed_dim, depth, num_heads
    ):
        space = search_space.SEARCH_SPACES[name]
        self.assertEqual(
            space.allocated,
            Architecture(
                embed_dim, depth, (num_heads,) * depth, (4.0,) * depth
            ),
        )

    def test_by_default_it_is_the_largest_choices(self):
        self.assertEqual(SPACE.allocated, SPACE.largest)
        self.assertEqual(
            SPACE.allocated, Architecture(12, 2, (2, 2), (2.0, 2.0))
        )

    def test_it_leaves_the_choices_as_they_are(self):
        wide = dataclasses.replace(SPACE, allocation=Allocation(16, 3, 4, 4.0))
        self.assertEqual(
            wide.allocated, Architecture(16, 3, (4, 4, 4), (4.0, 4.0, 4.0))
        )
        for name in ("smallest", "largest", "size"):
            self.assertEqual(getattr(wide, name), getattr(SPACE, name))
        with self.assertRaisesRegex(errors.InputError, "embed_dim is 16, out"):
            wide.validate(wide.allocated)

    def test_it_may_be_just_as_large_as_the_choices(self):
        tight = dataclasses.replace(SPACE, allocation=Allocation(12, 2, 2, 2.0))
        self.assertEqual(tight.allocated, SPACE.allocated)

    @parameterized.parameters(
        (
            "embed_dim",
            11,
            r"embed_dims is \(8, 12\), .* 12; the supernet has 11",
        ),
        ("depth", 1, r"depths is \(1, 2\), .* needs 2; the supernet has 1"),
        ("num_heads", 1, r"num_heads is \(1, 2\), .* needs 2; .* has 1"),
        (
            "mlp_ratio",
            1.5,
            r"mlp_ratios is .* needs 24 hidden units; the supernet has 18",
        ),
    )
    def test_one_that_does_not_hold_all_choices_is_refused(
        self, field, value, message
    ):
        allocation = dataclasses.replace(
            Allocation(12, 2, 2, 2.0), **{field: value}
        )
        with self.assertRaisesRegex(errors.InputError, message):
            dataclasses.replace(SPACE, allocation=allocation)

    def test_the_space_of_everything_in_it_has_every_size(self):
        allocation = Allocation(20, depth=3, num_heads=2, mlp_ratio=1.75)
        space = search_space.everything_in(allocation)
        self.assertEqual(
            space,
            search_space.SearchSpace(
                embed_dims=(8, 16, 20),
                depths=(1, 2, 3),
                num_heads=(1, 2),
                mlp_ratios=(0.5, 1.0, 1.5, 1.75),
                allocation=allocation,
            ),
        )
        self.assertEqual(space.largest, space.allocated)

    @parameterized.parameters(
        (Allocation(8, 1, 1, 0.5), (8,), (0.5,)),
        (Allocation(4, 1, 1, 0.25), (4,), (0.25,)),
        (Allocation(16, 1, 1, 1.0), (8, 16), (0.5, 1.0)),
        # Of 8, a ratio of 3.5 has 28 hidden units, as the largest has.
        (
            Allocation(16, 1, 1, 3.5625),
            (8, 16),
            (0.5, 1, 1.5, 2, 2.5, 3, 3.5625),
        ),
        (Allocation(1, 1, 1, 1.0), (1,), (1.0,)),
    )
    def test_everything_in_a_small_one(self, allocation, embed_dims, ratios):
        space = search_space.everything_in(allocation)
        self.assertEqual(space.embed_dims, embed_dims)
        self.assertEqual(space.mlp_ratios, ratios)


class PublishedSubnetTest(parameterized.TestCase):
    def test_the_tiny_one_is_accepted_though_a_ratio_is_no_choice(self):
        subnet = published.load("autoformer_t")
        TINY.validate(subnet)
        self.assertEqual(
            TINY.rule_for(subnet),
            "autoformer_t is accepted as a published subnet of this space, "
            "though mlp_ratio[2] is 3, outside the search space; "
            "it allows 3.5, 4",
        )

    @parameterized.parameters(
        ("num_heads", 0, 4, r"mlp_ratio\[2\] is 3, .* it allows 3.5, 4$"),
        ("num_heads", 1, 5, r"num_heads\[1\] is 5, .* it allows 3, 4$"),
        ("mlp_ratio", 12, 4.0, r"mlp_ratio\[2\] is 3, .* it allows 3.5, 4$"),
        ("mlp_ratio", 0, 3.0, r"mlp_ratio\[0\] is 3, .* it allows 3.5, 4$"),
        ("embed_dim", None, 216, r"mlp_ratio\[2\] is 3, .* it allows 3.5, 4$"),
        ("embed_dim", None, 200, "embed_dim is 200, .* allows 192, 216, 240$"),
    )
    def test_with_one_change_it_is_an_architecture_like_any_other(
        self, field, layer, value, message
    ):
        subnet = published.load("autoformer_t")
        if layer is not None:
            entries = list(getattr(subnet, field))
            self.assertNotEqual(entries[layer], value)
            entries[layer] = value
            value = tuple(entries)
        changed = dataclasses.replace(subnet, **{field: value})
        self.assertIsNone(TINY.rule_for(changed))
        with self.assertRaisesRegex(errors.InputError, message):
            TINY.validate(changed)

    def test_without_its_last_block_it_is_refused(self):
        subnet = published.load("autoformer_t")
        shorter = Architecture(
            subnet.embed_dim, 12, subnet.num_heads[:-1], subnet.mlp_ratio[:-1]
        )
        with self.assertRaisesRegex(errors.InputError, r"mlp_ratio\[2\] is 3"):
            TINY.validate(shorter)

    def test_other_spaces_do_not_accept_it(self):
        subnet = published.load("autoformer_t")
        for name in ("small", "base", "digits"):
            space = search_space.SEARCH_SPACES[name]
            self.assertIsNone(space.rule_for(subnet))
            with self.assertRaisesRegex(
                errors.InputError, "embed_dim is 192, outside the search space"
            ):
                space.validate(subnet)

    @parameterized.parameters(
        ("small", "autoformer_s"), ("base", "autoformer_b")
    )
    def test_the_others_are_choices_and_need_no_rule(self, space, name):
        subnet = published.load(name)
        space = search_space.SEARCH_SPACES[space]
        space.validate(subnet)
        self.assertIsNone(space.rule_for(subnet))
        dataclasses.replace(space, published=()).validate(subnet)


VALUES = {
    "embed_dims": [8, 12],
    "depths": [1, 2],
    "num_heads": [1, 2],
    "mlp_ratios": [0.5, 2],
}
ALLOCATION = {"embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 4}
WHOLE = "it must be a positive whole number"


class LoadTest(parameterized.TestCase):
    def _load(self, values) -> search_space.SearchSpace:
        file = self.create_tempfile("space.json", json.dumps(values))
        return search_space.SearchSpace.load(file.full_path)

    def test_a_file_of_choices(self):
        self.assertEqual(self._load(VALUES), SPACE)

    def test_a_file_with_an_allocation(self):
        self.assertEqual(
            self._load(VALUES | {"allocation": ALLOCATION}),
            dataclasses.replace(SPACE, allocation=Allocation(16, 2, 2, 4.0)),
        )
        self.assertEqual(self._load(VALUES | {"allocation": None}), SPACE)

    @parameterized.parameters(
        ({"embed_dims": 8}, "embed_dims is 8; it must be a list"),
        ({"embed_dims": [8, 12.5]}, rf"embed_dims\[1\] is 12.5; {WHOLE}"),
        ({"depths": [0, 1]}, rf"depths\[0\] is 0; {WHOLE}"),
        ({"depths": [True]}, rf"depths\[0\] is True; {WHOLE}"),
        ({"num_heads": ["1"]}, rf"num_heads\[0\] is '1'; {WHOLE}"),
        ({"mlp_ratios": "3"}, "mlp_ratios is '3'; it must be a list"),
        ({"mlp_ratios": [1, -1]}, r"mlp_ratios\[1\] is -1; .* positive number"),
        ({"depths": []}, r"depths is \(\); choices must be given"),
        (
            {"num_heads": [2, 1]},
            r"num_heads is \(2, 1\); .*must be .*ascending",
        ),
        ({"mlp_ratios": [1, 1]}, r"mlp_ratios is \(1.0, 1.0\); .* distinct"),
        ({"extra": 1}, "a search space has the fields embed_dims, .*extra$"),
        (
            {"published": [["other"]]},
            "published is .*; it must be a list of some of",
        ),
        (
            {"published": ["other"]},
            r"published is \['other'\]; .* autoformer_b",
        ),
        ({"allocation": 16}, "an allocation has the fields .*; found int"),
        (
            {"allocation": {"depth": 2}},
            "an allocation has the fields .*; missing embed_dim, num_heads, ml",
        ),
        (
            {"allocation": ALLOCATION | {"depth": 2.5}},
            f"depth is 2.5; {WHOLE}",
        ),
        (
            {"allocation": ALLOCATION | {"mlp_ratio": "4"}},
            "mlp_ratio is '4'; it must be a positive number",
        ),
        (
            {"allocation": ALLOCATION | {"num_heads": 1}},
            r"num_heads is \(1, 2\), .* the supernet has 1",
        ),
    )
    def test_what_is_bad_is_named_with_its_rule(self, change, message):
        with self.assertRaisesRegex(
            errors.InputError, rf"space\.json: .*{message}"
        ):
            self._load(VALUES | change)

    @parameterized.parameters(*VALUES)
    def test_a_missing_field_is_refused(self, field):
        values = {key: value for key, value in VALUES.items() if key != field}
        with self.assertRaisesRegex(
            errors.InputError,
            f"space.json: a search space has the fields .*; missing {field}$",
        ):
            self._load(values)

    @parameterized.parameters(([],), ("tiny",), (3,), (None,))
    def test_json_that_is_no_object_is_refused(self, values):
        with self.assertRaisesRegex(
            errors.InputError, f"a search space .*{type(values).__name__}"
        ):
            self._load(values)

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(errors.InputError, "cannot read .*none"):
            search_space.SearchSpace.load("none.json")


if __name__ == "__main__":
    absltest.main()
