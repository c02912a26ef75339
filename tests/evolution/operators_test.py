"""Crossover and mutation, by the statistics of many offspring."""

import collections
import itertools
import math
import random

from absl.testing import absltest, parameterized

from tf_autoformer.evolution import operators
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture
SPACE = search_space.SearchSpace(
    embed_dims=(16, 32, 48, 64),
    depths=(2, 3, 4),
    num_heads=(1, 2, 3, 4),
    mlp_ratios=(0.5, 1.0, 2.0, 4.0),
)
DRAWS = 20_000

# Differ in everything.
SHALLOW = Architecture(16, 2, (1, 2), (0.5, 1.0))
DEEP = Architecture(64, 4, (3, 4, 3, 4), (2.0, 4.0, 4.0, 2.0))


class OperatorsTestCase(parameterized.TestCase):
    def _assert_rate(self, hits: list[bool], rate: float):
        """The share of hits is `rate`, within 4 sigma."""
        sigma = math.sqrt(rate * (1 - rate) / len(hits))
        self.assertAlmostEqual(sum(hits) / len(hits), rate, delta=4 * sigma)


class CrossoverTest(OperatorsTestCase):
    def test_every_layer_comes_from_one_of_the_two_parents(self):
        rng = random.Random(0)
        depths = set()
        for _ in range(5_000):
            parents = [sampling.uniform(SPACE, rng) for _ in range(2)]
            child = operators.crossover(*parents, rng)
            SPACE.validate(child)
            self.assertIn(child.embed_dim, [p.embed_dim for p in parents])
            self.assertIn(child.depth, [p.depth for p in parents])
            for layer, block in enumerate(sampling.blocks_of(child)):
                blocks = [
                    sampling.blocks_of(p)[layer]
                    for p in parents
                    if p.depth > layer
                ]
                self.assertIn(block, blocks)
            depths.add((*(p.depth for p in parents), child.depth))
        # Every pair of depths was met, and every depth that it can give.
        expected = {
            (first, second, child)
            for first, second in itertools.product((2, 3, 4), repeat=2)
            for child in (first, second)
        }
        self.assertEqual(depths, expected)

    def test_each_parent_gives_half_of_everything_independently(self):
        rng = random.Random(1)
        children = [
            operators.crossover(SHALLOW, DEEP, rng) for _ in range(DRAWS)
        ]
        from_deep = {
            "embed_dim": [c.embed_dim == 64 for c in children],
            "depth": [c.depth == 4 for c in children],
            "block 0": [c.num_heads[0] == 3 for c in children],
            "block 1": [c.num_heads[1] == 4 for c in children],
        }
        for hits in from_deep.values():
            self._assert_rate(hits, 0.5)
        for first, second in itertools.combinations(from_deep.values(), 2):
            both = list(map(all, zip(first, second, strict=True)))
            self._assert_rate(both, 0.25)

    def test_below_the_shallower_parent_the_deeper_one_gives_the_blocks(self):
        rng = random.Random(2)
        children = [operators.crossover(SHALLOW, DEEP, rng) for _ in range(99)]
        below = {
            tuple(sampling.blocks_of(child)[2:])
            for child in children
            if child.depth == 4
        }
        self.assertEqual(below, {((3, 4.0), (4, 2.0))})


class MutationTest(OperatorsTestCase):
    def _mutants(
        self, parent: Architecture, p_depth: float, p_layer: float
    ) -> list[Architecture]:
        rng = random.Random(3)
        return [
            operators.mutate(SPACE, parent, p_depth, p_layer, rng)
            for _ in range(DRAWS)
        ]

    @parameterized.parameters((0.2, 0.4), (0.7, 0.1), (1.0, 1.0))
    def test_change_rates_match_the_probabilities(self, p_depth, p_layer):
        """A redraw among n choices changes something in 1 - 1/n of cases."""
        mutants = self._mutants(DEEP, p_depth, p_layer)
        embed_dim = [m.embed_dim != 64 for m in mutants]
        depth = [m.depth != 4 for m in mutants]
        self._assert_rate(embed_dim, p_depth * (1 - 1 / 4))
        self._assert_rate(depth, p_depth * (1 - 1 / 3))
        both = list(map(all, zip(embed_dim, depth, strict=True)))
        self._assert_rate(both, p_depth**2 * (1 - 1 / 4) * (1 - 1 / 3))
        for layer in range(4):
            block = sampling.blocks_of(DEEP)[layer]
            # DEEP has every layer: those that a new depth keeps are its own.
            reached = [m for m in mutants if m.depth > layer]
            heads = [m.num_heads[layer] != block[0] for m in reached]
            ratio = [m.mlp_ratio[layer] != block[1] for m in reached]
            # One draw of the pair: heads or ratio changes in 15 of 16 cases.
            either = list(map(any, zip(heads, ratio, strict=True)))
            self._assert_rate(either, p_layer * (1 - 1 / 16))
            self._assert_rate(heads, p_layer * (1 - 1 / 4))
            self._assert_rate(ratio, p_layer * (1 - 1 / 4))

    def test_layers_mutate_independently(self):
        mutants = self._mutants(DEEP, 0.0, 0.4)
        changed = [
            [m.num_heads[layer] != DEEP.num_heads[layer] for m in mutants]
            for layer in range(4)
        ]
        for first, second in itertools.combinations(changed, 2):
            both = list(map(all, zip(first, second, strict=True)))
            self._assert_rate(both, (0.4 * (1 - 1 / 4)) ** 2)

    def test_redrawn_values_are_uniform_over_all_choices(self):
        mutants = self._mutants(DEEP, 1.0, 1.0)
        draws = {
            (16, 32, 48, 64): [m.embed_dim for m in mutants],
            (2, 3, 4): [m.depth for m in mutants],
            tuple(itertools.product((1, 2, 3, 4), (0.5, 1.0, 2.0, 4.0))): [
                sampling.blocks_of(m)[0] for m in mutants
            ],
        }
        for choices, drawn in draws.items():
            self.assertEqual(set(collections.Counter(drawn)), set(choices))
            for choice in choices:
                hits = [value == choice for value in drawn]
                self._assert_rate(hits, 1 / len(choices))

    def test_blocks_of_a_greater_depth_are_drawn_uniformly(self):
        mutants = self._mutants(SHALLOW, 1.0, 0.0)
        for mutant in mutants:
            kept = sampling.blocks_of(mutant)[:2]
            self.assertEqual(kept, sampling.blocks_of(SHALLOW))
        new = [sampling.blocks_of(m)[3] for m in mutants if m.depth == 4]
        choices = itertools.product((1, 2, 3, 4), (0.5, 1.0, 2.0, 4.0))
        for choice in choices:
            self._assert_rate([block == choice for block in new], 1 / 16)

    def test_nothing_changes_with_probability_zero(self):
        rng = random.Random(4)
        for parent in (SHALLOW, DEEP):
            mutant = operators.mutate(SPACE, parent, 0.0, 0.0, rng)
            self.assertEqual(mutant, parent)

    def test_mutants_are_always_in_the_space(self):
        rng = random.Random(5)
        mutant = SHALLOW
        for _ in range(DRAWS):
            mutant = operators.mutate(SPACE, mutant, 0.2, 0.4, rng)
            SPACE.validate(mutant)


if __name__ == "__main__":
    absltest.main()
