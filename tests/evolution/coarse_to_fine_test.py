"""The coarse grid against brute force, and single steps from the best."""

import itertools
import random

import numpy as np
from absl.testing import absltest, parameterized

from tests.evolution import algorithm_test, drivers_test
from tf_autoformer.evolution import coarse_to_fine
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture
LIMIT = drivers_test.LIMIT
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(1, 2), num_heads=(1, 2, 3), mlp_ratios=(1, 2)
)


def everything(space: search_space.SearchSpace) -> list[Architecture]:
    """All architectures of a space."""
    return [
        sampling.from_blocks(embed_dim, list(blocks))
        for embed_dim in space.embed_dims
        for depth in space.depths
        for blocks in itertools.product(
            itertools.product(space.num_heads, space.mlp_ratios), repeat=depth
        )
    ]


def numbers(
    space: search_space.SearchSpace, architecture: Architecture
) -> np.ndarray:
    """The numbers of the choices: embedding dimension, heads, MLP ratios."""
    return np.array(
        [
            space.embed_dims.index(architecture.embed_dim),
            *map(space.num_heads.index, architecture.num_heads),
            *map(space.mlp_ratios.index, architecture.mlp_ratio),
        ]
    )


def is_step(
    space: search_space.SearchSpace, one: Architecture, other: Architecture
) -> bool:
    """Whether two architectures differ in one dimension, by one choice."""
    if one.depth == other.depth:
        difference = numbers(space, one) - numbers(space, other)
        return np.abs(difference).sum() == 1
    shallow, deep = sorted((one, other), key=lambda each: each.depth)
    lower, upper = (space.depths.index(each.depth) for each in (shallow, deep))
    return (
        upper - lower == 1
        and shallow.embed_dim == deep.embed_dim
        and sampling.blocks_of(deep)[: shallow.depth]
        == sampling.blocks_of(shallow)
    )


class GridTest(parameterized.TestCase):
    @parameterized.parameters(1e9, 3_000, 1_800, 720)
    def test_it_has_all_that_is_uniform_and_allowed(self, maximum):
        limit = algorithm_test.limit(maximum, SPACE)
        expected = [
            each
            for each in everything(SPACE)
            if len(set(sampling.blocks_of(each))) == 1 and limit.allows(each)
        ]
        self.assertCountEqual(coarse_to_fine.grid(limit), expected)
        self.assertEqual(len(expected) == 24, maximum == 1e9)
        self.assertNotEmpty(expected)

    def test_a_larger_one_is_cut_to_members_that_are_far_apart(self):
        line = search_space.SearchSpace(
            embed_dims=(8,),
            depths=(1,),
            num_heads=tuple(range(1, 10)),
            mlp_ratios=(1,),
        )
        grid = coarse_to_fine.grid(algorithm_test.limit(1e9, line))
        for seed in range(5):
            first, *others = (
                each.num_heads[0]
                for each in coarse_to_fine.spread(
                    line, grid, 3, random.Random(seed)
                )
            )
            farthest = [[9], [9], [9], [9], [1, 9], [1], [1], [1], [1]]
            self.assertIn(others[0], farthest[first - 1])
            distances = [
                min(abs(heads - first), abs(heads - others[0]))
                for heads in line.num_heads
            ]
            self.assertEqual(distances[others[1] - 1], max(distances))

    def test_dimensions_of_many_and_of_few_choices_count_alike(self):
        plane = search_space.SearchSpace(
            embed_dims=(8, 12),
            depths=(1,),
            num_heads=tuple(range(1, 10)),
            mlp_ratios=(1,),
        )
        grid = coarse_to_fine.grid(algorithm_test.limit(1e9, plane))
        corners = [
            sampling.from_blocks(embed_dim, [(heads, 1)])
            for embed_dim in (8, 12)
            for heads in (1, 9)
        ]
        begun_in_one = 0
        for seed in range(20):
            found = coarse_to_fine.spread(plane, grid, 4, random.Random(seed))
            if found[0] in corners:
                begun_in_one += 1
                self.assertCountEqual(found, corners)
        self.assertGreater(begun_in_one, 0)


class StepsTest(absltest.TestCase):
    def test_they_are_all_that_differ_in_one_dimension_by_one_choice(self):
        space = algorithm_test.SPACE
        rng = random.Random(0)
        for _ in range(20):
            start = sampling.uniform(space, rng)
            steps = coarse_to_fine.steps(space, start)
            self.assertLen(set(steps), len(steps))
            for step in steps:
                space.validate(step)
                self.assertTrue(is_step(space, start, step), (start, step))
                added = sampling.blocks_of(step)[start.depth :]
                last = sampling.blocks_of(start)[-1]
                self.assertEqual(added, [last] * len(added))

    def test_none_is_missing(self):
        for start in everything(SPACE):
            expected = {
                each
                for each in everything(SPACE)
                if is_step(SPACE, start, each)
                # A new block is like the last one.
                and (
                    each.depth <= start.depth
                    or len(set(sampling.blocks_of(each))) == 1
                )
            }
            self.assertEqual(set(coarse_to_fine.steps(SPACE, start)), expected)


class SearchTest(absltest.TestCase):
    def test_later_generations_are_steps_from_the_best_of_before(self):
        evaluate, rankings = drivers_test.run("coarse_to_fine", LIMIT)
        for (_, members), ranking in zip(
            evaluate.members[1:], rankings[:-1], strict=True
        ):
            self.assertEqual(list(members.values()), ["fine"] * 10)
            known = [candidate.architecture for candidate in ranking]
            # Every step from the best that is allowed and new, unless there is
            # no room for it, and so on.
            left = dict(members)
            for start in known:
                if not left:
                    break
                around = {
                    step
                    for step in coarse_to_fine.steps(LIMIT.space, start)
                    if LIMIT.allows(step) and step not in known
                } - (members.keys() - left.keys())
                taken = around & left.keys()
                self.assertLen(taken, min(len(around), len(left)))
                for step in taken:
                    del left[step]
            self.assertEmpty(left)

    def test_the_seed_decides_what_is_taken_of_a_large_grid(self):
        first, again, other = (
            drivers_test.run(
                "coarse_to_fine", LIMIT, generations=1, search_seed=seed
            )[0].architectures
            for seed in (0, 0, 1)
        )
        self.assertEqual(again, first)
        self.assertNotEqual(set(other), set(first))

    def test_a_small_grid_is_filled_up_with_random_ones(self):
        limit = algorithm_test.limit(1e9, SPACE)
        evaluate, _ = drivers_test.run(
            "coarse_to_fine", limit, population=30, generations=1
        )
        ((_, members),) = evaluate.members
        self.assertEqual(
            list(members.values()), ["coarse"] * 24 + ["random"] * 6
        )
        self.assertCountEqual(list(members)[:24], coarse_to_fine.grid(limit))


if __name__ == "__main__":
    absltest.main()
