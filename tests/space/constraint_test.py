"""Resource constraints: kept always, and refused when they cannot be."""

import functools
import itertools
import random

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost, sampling, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
Range = constraint.Range

# 2 × (4 + 16) = 40 architectures.
SPACE = search_space.SearchSpace(
    embed_dims=(10, 20), depths=(1, 2), num_heads=(1, 2), mlp_ratios=(1.0, 2.0)
)
EVERYTHING = [
    sampling.from_blocks(embed_dim, list(blocks))
    for embed_dim in (10, 20)
    for depth in (1, 2)
    for blocks in itertools.product(
        itertools.product((1, 2), (1.0, 2.0)), repeat=depth
    )
]


def _toy_costs(architecture: Architecture) -> dict[str, int]:
    """Costs that grow with every dimension, but with different ones."""
    heads = sum(architecture.num_heads)
    ratios = int(sum(architecture.mlp_ratio))
    return {
        "params": architecture.embed_dim * (heads + 10 * ratios),
        "macs": architecture.embed_dim * (10 * heads + ratios),
    }


def _toy(**ranges: Range) -> constraint.Constraint:
    return constraint.Constraint(SPACE, _toy_costs, ranges)


def _official(name: str, **ranges: Range) -> constraint.Constraint:
    model = model_lib.ModelConfig(num_classes=1000)
    return constraint.Constraint(
        search_space.SEARCH_SPACES[name],
        functools.partial(cost.costs, model),
        ranges,
    )


class RangeTest(parameterized.TestCase):
    @parameterized.parameters(
        (Range(10, 20), 10, 0.0),
        (Range(10, 20), 20, 0.0),
        (Range(10, 20), 9, 0.1),
        (Range(10, 20), 25, 0.25),
        (Range(minimum=10), 1e9, 0.0),
        (Range(maximum=20), 1, 0.0),
        (Range(maximum=20), 30, 0.5),
    )
    def test_violation_is_relative_to_the_bound(self, allowed, value, expected):
        self.assertAlmostEqual(allowed.violation(value), expected)

    @parameterized.parameters(
        (None, 0, "maximum is 0; it must be positive"),
        (-5, None, "minimum is -5; it must be positive"),
        (None, float("nan"), "maximum is nan; it must be positive"),
        (
            2e6,
            1e6,
            "minimum is 2,000,000; it must not exceed the maximum, 1,000,000",
        ),
    )
    def test_bad_bounds_are_refused(self, minimum, maximum, message):
        with self.assertRaisesRegex(errors.InputError, message):
            Range(minimum, maximum)

    def test_text_is_for_people(self):
        self.assertEqual(str(Range(maximum=6e6)), "at most 6,000,000")
        self.assertEqual(str(Range(minimum=1_500)), "at least 1,500")
        self.assertEqual(str(Range(1e3, 2e3)), "1,000 to 2,000")


class ConstraintTest(parameterized.TestCase):
    def test_allows_exactly_what_is_in_every_range(self):
        limited = _toy(params=Range(maximum=440), macs=Range(200, 300))
        for architecture in EVERYTHING:
            costs = _toy_costs(architecture)
            self.assertEqual(
                limited.allows(architecture),
                costs["params"] <= 440 and 200 <= costs["macs"] <= 300,
            )

    def test_no_range_allows_everything(self):
        self.assertTrue(all(map(_toy().allows, EVERYTHING)))
        SPACE.validate(_toy().sample(random.Random(0)))

    @parameterized.parameters(
        # 10 · (1 + 10 · 1) = 110 to 20 · (4 + 10 · 4) = 880.
        (Range(maximum=109), "params at most 109: .* from 110 to 880 params"),
        (Range(minimum=881), "params at least 881: .* from 110 to 880 params"),
        (Range(20, 90), "params 20 to 90: .* from 110 to 880 params"),
    )
    def test_an_unreachable_range_fails_at_once(self, allowed, message):
        calls = []

        def counted(architecture: Architecture) -> dict[str, int]:
            calls.append(architecture)
            return _toy_costs(architecture)

        limited = constraint.Constraint(SPACE, counted, {"params": allowed})
        with self.assertRaisesRegex(errors.InputError, message):
            limited.sample(random.Random(0))
        self.assertLen(calls, 2)  # The smallest and the largest.

    def test_an_unreachable_range_names_the_reachable_params(self):
        space = search_space.SEARCH_SPACES["small"]
        model = model_lib.ModelConfig(num_classes=1000)
        low = cost.params(model, space.smallest)
        high = cost.params(model, space.largest)
        limited = _official("small", params=Range(maximum=5.7e6))
        with self.assertRaisesRegex(
            errors.InputError,
            f"at most 5,700,000: .* reaches from {low:,} to {high:,} params",
        ):
            limited.require_reachable()

    def test_bounds_that_just_reach_are_allowed(self):
        for allowed in (Range(maximum=110), Range(minimum=880)):
            _toy(params=allowed).require_reachable()

    def test_a_jointly_infeasible_pair_fails_with_the_closest_found(self):
        # Each is reachable alone; a brute-force loop finds the closest.
        limited = _toy(params=Range(maximum=200), macs=Range(minimum=600))

        def excess(architecture: Architecture) -> float:
            costs = _toy_costs(architecture)
            return max(0, costs["params"] / 200 - 1) + max(
                0, 1 - costs["macs"] / 600
            )

        closest = min(EVERYTHING, key=excess)
        self.assertGreater(excess(closest), 0)
        costs = _toy_costs(closest)
        with self.assertRaisesRegex(
            errors.InputError,
            "no architecture found with params at most 200 and macs at least "
            f"600; the closest has {costs['params']:,} params and "
            f"{costs['macs']:,} macs",
        ):
            limited.sample(random.Random(0))

    @parameterized.parameters("tiny", "small", "base")
    def test_a_budget_that_only_the_smallest_meets_is_found(self, name):
        space = search_space.SEARCH_SPACES[name]
        costs = _official(name).cost_of(space.smallest)
        limited = _official(
            name,
            params=Range(maximum=costs["params"]),
            macs=Range(maximum=costs["macs"]),
        )
        found = limited.sample(random.Random(0))
        self.assertEqual(found, space.smallest)

    @parameterized.parameters("tiny", "small", "base")
    def test_a_minimum_that_only_the_largest_meets_is_found(self, name):
        space = search_space.SEARCH_SPACES[name]
        costs = _official(name).cost_of(space.largest)
        limited = _official(name, params=Range(minimum=costs["params"]))
        found = limited.sample(random.Random(0))
        self.assertEqual(found, space.largest)

    @parameterized.parameters(
        # The published subnets' sizes.
        ("tiny", Range(5.6e6, 5.8e6), Range(maximum=1.3e9)),
        ("small", Range(22.5e6, 23e6), Range(4.7e9, 5e9)),
        ("base", Range(53e6, 54e6), Range(10.5e9, 11.5e9)),
    )
    def test_ranges_with_both_ends_are_kept(self, name, params, macs):
        limited = _official(name, params=params, macs=macs)
        rng = random.Random(0)
        found = {limited.sample(rng) for _ in range(20)}
        self.assertGreater(len(found), 10)
        for architecture in found:
            limited.space.validate(architecture)
            costs = limited.cost_of(architecture)
            for allowed, value in ((params, "params"), (macs, "macs")):
                self.assertLessEqual(allowed.minimum or 0, costs[value])
                self.assertLessEqual(costs[value], allowed.maximum)

    def test_a_cost_that_most_single_changes_leave_alone_is_met(self):
        # The widest of the blocks alone counts, as a peak of memory would.
        space = search_space.SearchSpace(
            embed_dims=(10,),
            depths=(4,),
            num_heads=(1, 2, 3),
            mlp_ratios=(1.0, 2.0, 3.0),
        )

        def peak(architecture: Architecture) -> dict[str, int]:
            blocks = sampling.blocks_of(architecture)
            return {"peak": int(max(heads * ratio for heads, ratio in blocks))}

        limited = constraint.Constraint(space, peak, {"peak": Range(maximum=1)})
        found = limited.sample(random.Random(0))
        self.assertEqual(found, space.smallest)

    def test_narrow_bands_around_an_architectures_own_costs_are_met(self):
        limit = _official("small")
        rng = random.Random(0)
        for _ in range(10):
            own = limit.cost_of(sampling.uniform(limit.space, rng))
            band = _official(
                "small",
                **{n: Range(0.999 * v, 1.001 * v) for n, v in own.items()},
            )
            self.assertTrue(band.allows(band.sample(rng)))

    def test_every_architecture_that_satisfies_it_can_be_drawn(self):
        limited = _toy(params=Range(200, 450), macs=Range(maximum=300))
        rng = random.Random(0)
        self.assertEqual(
            {limited.sample(rng) for _ in range(1_000)},
            set(filter(limited.allows, EVERYTHING)),
        )

    def test_the_seed_decides_the_draws(self):
        limited = _official("small", params=Range(maximum=16e6))
        draws = [
            [limited.sample(rng) for _ in range(3)]
            for rng in map(random.Random, (1, 1, 2))
        ]
        self.assertEqual(draws[0], draws[1])
        self.assertNotEqual(draws[0], draws[2])


if __name__ == "__main__":
    absltest.main()
