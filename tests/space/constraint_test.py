"""Resource constraints: kept always, and refused when they cannot be."""

import dataclasses
import itertools
import random
from collections.abc import Callable
from unittest import mock

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
IMAGENET = model_lib.ModelConfig(num_classes=1000)


def _everything(space: search_space.SearchSpace) -> list[Architecture]:
    """All architectures of a small space."""
    return [
        sampling.from_blocks(embed_dim, list(blocks))
        for embed_dim in space.embed_dims
        for depth in space.depths
        for blocks in itertools.product(
            itertools.product(space.num_heads, space.mlp_ratios), repeat=depth
        )
    ]


EVERYTHING = _everything(SPACE)


def _toy_costs(architecture: Architecture) -> dict[str, int]:
    """Costs that grow with every dimension, but with different ones."""
    heads = sum(architecture.num_heads)
    ratios = int(sum(architecture.mlp_ratio))
    return {
        "params": architecture.embed_dim * (heads + 10 * ratios),
        "macs": architecture.embed_dim * (10 * heads + ratios),
    }


TOY_PARAMS = dataclasses.replace(
    cost.PARAMS, measure=lambda _, subnet: _toy_costs(subnet)["params"]
)
TOY_MACS = dataclasses.replace(
    cost.MACS, measure=lambda _, subnet: _toy_costs(subnet)["macs"]
)


def _toy(**ranges: Range) -> constraint.Constraint:
    costs = {"params": TOY_PARAMS, "macs": TOY_MACS}
    return constraint.Constraint(
        SPACE, IMAGENET, {costs[name]: ranges[name] for name in ranges}
    )


def _official(name: str, **ranges: Range) -> constraint.Constraint:
    costs = {each.name: each for each in cost.COSTS}
    return constraint.Constraint(
        search_space.SEARCH_SPACES[name],
        IMAGENET,
        {costs[name]: ranges[name] for name in ranges},
    )


def _latency(
    measure: Callable[[Architecture], float], **options: bool
) -> cost.Cost:
    """A cost that only exists at run time."""
    return cost.Cost(
        "latency",
        "ms",
        lambda _, architecture: measure(architecture),
        "milliseconds",
        **options,
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
        (None, float("inf"), "maximum is inf; it must be finite"),
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

        def counted(_, architecture: Architecture) -> int:
            calls.append(architecture)
            return _toy_costs(architecture)["params"]

        params = dataclasses.replace(cost.PARAMS, measure=counted)
        limited = constraint.Constraint(SPACE, IMAGENET, {params: allowed})
        with self.assertRaisesRegex(errors.InputError, message):
            limited.sample(random.Random(0))
        self.assertLen(calls, 2)  # The smallest and the largest.

    def test_an_unreachable_range_names_the_reachable_params(self):
        space = search_space.SEARCH_SPACES["small"]
        low = cost.params(IMAGENET, space.smallest)
        high = cost.params(IMAGENET, space.largest)
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
            f"{costs['macs']:,} MACs",
        ):
            limited.sample(random.Random(0))

    @parameterized.parameters("tiny", "small", "base")
    def test_a_budget_that_only_the_smallest_meets_is_found(self, name):
        space = search_space.SEARCH_SPACES[name]
        costs = cost.measured(cost.COSTS, IMAGENET, space.smallest)
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
        costs = cost.measured(cost.COSTS, IMAGENET, space.largest)
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
            costs = cost.measured(cost.COSTS, IMAGENET, architecture)
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

        def measure(_, architecture: Architecture) -> int:
            blocks = sampling.blocks_of(architecture)
            return int(max(heads * ratio for heads, ratio in blocks))

        peak = cost.Cost("peak", "units", measure, "units", grows=True)
        limited = constraint.Constraint(
            space, IMAGENET, {peak: Range(maximum=1)}
        )
        found = limited.sample(random.Random(0))
        self.assertEqual(found, space.smallest)

    def test_narrow_bands_around_an_architectures_own_costs_are_met(self):
        limit = _official("small")
        rng = random.Random(0)
        for _ in range(10):
            drawn = sampling.uniform(limit.space, rng)
            own = cost.measured(cost.COSTS, IMAGENET, drawn)
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


def _size(architecture: Architecture) -> int:
    """From 12 to 48 in `SPACE`."""
    return architecture.embed_dim * architecture.depth + sum(
        map(sum, sampling.blocks_of(architecture))
    )


class CostThatDoesNotGrowTest(parameterized.TestCase):
    """No bound follows from the smallest and the largest architecture."""

    @parameterized.named_parameters(
        # As on a device that pads small products, and one with a sweet spot.
        ("shrinks", lambda subnet: 100 / _size(subnet)),
        ("is_least_in_the_middle", lambda subnet: 1 + abs(_size(subnet) - 24)),
        ("is_most_in_the_middle", lambda subnet: 99 - abs(_size(subnet) - 24)),
    )
    def test_is_bounded_as_a_brute_force_loop_finds(self, measure):
        values = sorted({measure(subnet) for subnet in EVERYTHING})
        between = [(a + b) / 2 for a, b in itertools.pairwise(values)]
        ranges = [
            *(Range(maximum=end) for end in (values[0] * 0.99, *between)),
            *(Range(minimum=end) for end in (*between, values[-1] * 1.01)),
            *(Range(value * 0.999, value * 1.001) for value in values),
        ]
        refused = 0
        for allowed in ranges:
            latency = _latency(measure)
            limited = constraint.Constraint(SPACE, IMAGENET, {latency: allowed})
            possible = [
                subnet
                for subnet in EVERYTHING
                if (allowed.minimum or 0) <= measure(subnet)
                and measure(subnet) <= (allowed.maximum or 1e9)
            ]
            limited.require_reachable()  # Never refuses.
            if possible:
                for seed in range(5):
                    drawn = limited.sample(random.Random(seed))
                    self.assertIn(drawn, possible)
                continue
            refused += 1
            closest = values[0] if allowed.minimum is None else values[-1]
            with self.assertRaisesRegex(
                errors.InputError,
                rf"no architecture found with latency at .* the closest has "
                rf"{latency.text(closest)}$",
            ):
                limited.sample(random.Random(0))
        self.assertEqual(refused, 2)

    def test_one_architecture_in_the_middle_of_thousands_is_found(self):
        space = search_space.SearchSpace(
            embed_dims=(8, 16, 24),
            depths=(1, 2, 3),
            num_heads=(1, 2, 3),
            mlp_ratios=(1.0, 2.0, 3.0),
        )
        best = Architecture(16, 2, (2, 2), (2.0, 2.0))

        def distance(architecture: Architecture) -> float:
            blocks = zip(
                sampling.blocks_of(architecture),
                sampling.blocks_of(best),
                strict=False,
            )
            return (
                abs(architecture.embed_dim - best.embed_dim) / 8
                + 9 * abs(architecture.depth - best.depth)
                + sum(abs(a - c) + abs(b - d) for (a, b), (c, d) in blocks)
            )

        subnets = _everything(space)
        self.assertLen(subnets, 3 * (9 + 81 + 729))
        allowed = Range(maximum=0.7)
        latency = _latency(lambda subnet: 0.5 + distance(subnet))
        limited = constraint.Constraint(space, IMAGENET, {latency: allowed})
        self.assertEqual(list(filter(limited.allows, subnets)), [best])
        for seed in range(10):
            self.assertEqual(limited.sample(random.Random(seed)), best)

    def test_the_closest_may_be_one_of_the_first_draws(self):
        latency = _latency(lambda subnet: 100 / _size(subnet))
        limited = constraint.Constraint(
            SPACE, IMAGENET, {latency: Range(maximum=1)}
        )
        lost = mock.patch.object(
            constraint.Constraint, "_walk", lambda *_: SPACE.smallest
        )
        # 100 / 48, of the largest; the smallest has 100 / 12.
        with (
            lost,
            self.assertRaisesRegex(
                errors.InputError, "latency at most 1; the closest has 2.08 ms"
            ),
        ):
            limited.sample(random.Random(0))

    def test_a_growing_cost_beside_it_is_still_refused_at_once(self):
        latency = _latency(lambda subnet: 100 / _size(subnet))
        limited = constraint.Constraint(
            SPACE,
            IMAGENET,
            {latency: Range(maximum=2), TOY_PARAMS: Range(maximum=109)},
        )
        with self.assertRaisesRegex(
            errors.InputError,
            "no architecture has params at most 109: the space reaches from "
            "110 to 880 params",
        ):
            limited.sample(random.Random(0))

    def test_a_growing_cost_that_is_no_count_is_refused_with_its_unit(self):
        latency = _latency(lambda subnet: _size(subnet) / 10, grows=True)
        limited = constraint.Constraint(
            SPACE, IMAGENET, {latency: Range(maximum=0.25)}
        )
        with self.assertRaisesRegex(
            errors.InputError,
            "no architecture has latency at most 0.25: the space reaches from "
            "1.20 to 4.80 ms",
        ):
            limited.sample(random.Random(0))


if __name__ == "__main__":
    absltest.main()
