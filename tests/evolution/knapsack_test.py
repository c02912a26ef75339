"""The knapsack against all architectures of a space, one by one."""

import itertools
import random
from collections.abc import Iterator

from absl.testing import absltest, parameterized

from tf_autoformer.evolution import additive, algorithm, knapsack, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost, sampling, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
MODEL = model_lib.ModelConfig(num_classes=10)
# No choices are evenly spaced, so that few sums of costs are equal. Depth 2 is
# no choice.
SPACE = search_space.SearchSpace(
    embed_dims=(16, 40),
    depths=(1, 3),
    num_heads=(1, 2, 4),
    mlp_ratios=(0.5, 2.0),
)
LATENCY = cost.Cost(
    "latency", "ms", lambda _, a: 1 + a.num_heads[0] ** a.depth, "milliseconds"
)


def everything() -> Iterator[Architecture]:
    """All architectures of the space: 2 · (6 + 6³) = 444."""
    blocks = list(itertools.product(SPACE.num_heads, SPACE.mlp_ratios))
    for embed_dim, depth in itertools.product(SPACE.embed_dims, SPACE.depths):
        for chosen in itertools.product(blocks, repeat=depth):
            yield sampling.from_blocks(embed_dim, list(chosen))


def drawn_effects(rng: random.Random) -> knapsack.Effects:
    return knapsack.Effects(
        embed_dim={dim: rng.randrange(-50, 50) for dim in SPACE.embed_dims},
        depth={depth: rng.randrange(-50, 50) for depth in SPACE.depths},
        blocks=[
            {
                block: rng.randrange(-50, 50)
                for block in itertools.product(
                    SPACE.num_heads, SPACE.mlp_ratios
                )
            }
            for _ in range(3)
        ],
    )


def score(effects: knapsack.Effects, subnet: Architecture) -> int:
    return (
        effects.embed_dim[subnet.embed_dim]
        + effects.depth[subnet.depth]
        + sum(
            effects.blocks[layer][block]
            for layer, block in enumerate(sampling.blocks_of(subnet))
        )
    )


def bounded(**ranges: tuple[float | None, float | None]):
    costs = {each.name: each for each in (*cost.COSTS, LATENCY)}
    return constraint.Constraint(
        SPACE,
        MODEL,
        {costs[name]: constraint.Range(*ends) for name, ends in ranges.items()},
    )


# The space reaches from 28,000 to 208,000 parameters and from 8M to 94M MACs.
BOUNDS = (
    {},
    {"params": (None, 90_000)},
    {"params": (80_000, 90_000)},
    {"params": (92_042, 92_042)},  # What the median architecture has.
    {"macs": (None, 50e6), "params": (80_000, None)},
    {"macs": (40e6, 60e6), "params": (80_000, 150_000)},
)


def within(limit: constraint.Constraint) -> list[Architecture]:
    """All architectures that the constraint allows, but not all there are."""
    allowed = [each for each in everything() if limit.allows(each)]
    assert 0 < len(allowed) < 444 or not limit.ranges
    return allowed


class KnapsackTest(parameterized.TestCase):
    @parameterized.parameters(*BOUNDS)
    def test_it_yields_all_within_the_budget_by_their_score(self, **bounds):
        limit = bounded(**bounds)
        allowed = within(limit)
        for seed in range(3):
            effects = drawn_effects(random.Random(seed))
            found = list(knapsack.best_first(limit, effects))
            self.assertCountEqual(found, allowed)
            scores = [score(effects, each) for each in found]
            self.assertEqual(scores, sorted(scores, reverse=True))

    def test_nothing_within_the_budget_is_nothing(self):
        limit = bounded(params=(1, 2))
        effects = drawn_effects(random.Random(0))
        self.assertEmpty(list(knapsack.best_first(limit, effects)))

    def test_equal_scores_of_a_large_space_take_no_time(self):
        space = search_space.SEARCH_SPACES["small"]
        blocks = dict.fromkeys(
            itertools.product(space.num_heads, space.mlp_ratios), 0
        )
        effects = knapsack.Effects(
            dict.fromkeys(space.embed_dims, 0),
            dict.fromkeys(space.depths, 0),
            [blocks] * 14,
        )
        limit = constraint.Constraint(
            space, MODEL, {cost.PARAMS: constraint.Range(None, 20e6)}
        )
        found = itertools.islice(knapsack.best_first(limit, effects), 100)
        self.assertLen(set(found), 100)


class CostsTest(parameterized.TestCase):
    @parameterized.parameters(*(each for each in cost.COSTS if each.linear))
    def test_a_linear_cost_follows_from_two_sums(self, each):
        def measured(*blocks: sampling.Block) -> float:
            return each.measure(MODEL, sampling.from_blocks(40, list(blocks)))

        small, wide, high = (1, 0.5), (2, 0.5), (1, 1.0)
        heads = measured(wide, small, small) - measured(small, small, small)
        units = measured(high, small, small) - measured(small, small, small)
        found = measured((1, 2.0), (4, 0.5), (3, 1.5))
        self.assertIsInstance(found, int)
        self.assertGreater(heads, 0)
        # Beyond the small ones: 5 heads, and 3 + 0 + 2 steps of 0.5.
        self.assertEqual(
            found, measured(small, small, small) + 5 * heads + 5 * units
        )


class AdditiveTest(parameterized.TestCase):
    def _run(self, limit: constraint.Constraint, accuracy):
        members = []

        def evaluate(generation, architectures):
            members.append(architectures)
            return [
                selection.Candidate(
                    generation, each, accuracy(each), {"params": 0}
                )
                for each in architectures
            ]

        config = algorithm.EvolutionConfig(
            driver="additive",
            population=30,
            generations=3,
            crossovers=3,
            mutations=4,
        )
        return members, list(additive.search(config, limit, evaluate))

    @parameterized.parameters(
        *BOUNDS[4:], {"latency": (None, 20), "params": (None, 90_000)}
    )
    def test_each_generation_is_the_best_that_is_not_known(self, **bounds):
        limit = bounded(**bounds)
        allowed = within(limit)
        rng = random.Random(1)
        accuracies = {each: rng.random() for each in allowed}
        members, rankings = self._run(limit, accuracies.__getitem__)
        for proposed, ranking in zip(members[1:], rankings, strict=False):
            known = {candidate.architecture for candidate in ranking}
            effects = additive.fitted(SPACE, ranking)
            left = [
                score(effects, each) for each in allowed if each not in known
            ]
            self.assertEqual(
                [score(effects, each) for each in proposed],
                sorted(left, reverse=True)[:7],
            )
            self.assertEqual(set(proposed.values()), {"additive"})

    def test_the_best_of_an_additive_accuracy_is_found_at_once(self):
        limit = bounded(params=(None, 90_000))
        truth = drawn_effects(random.Random(3))
        _, rankings = self._run(limit, lambda a: 0.5 + score(truth, a) / 1e3)
        best = max(score(truth, each) for each in within(limit))
        self.assertEqual(score(truth, rankings[1][0].architecture), best)

    def test_effects_that_no_candidate_shows_are_none(self):
        subnet = sampling.from_blocks(16, [(1, 0.5)])
        effects = additive.fitted(
            SPACE, [selection.Candidate(0, subnet, 0.9, {})]
        )
        self.assertEqual(score(effects, subnet), 0)  # It is the mean.
        self.assertEqual(effects.embed_dim, {16: 0, 40: 0})


if __name__ == "__main__":
    absltest.main()
