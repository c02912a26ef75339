"""Fronts, and NSGA-II, which looks for one."""

import pathlib
import random
import re
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from tests.evolution import algorithm_test, drivers_test
from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.evolution import algorithm, front, nsga2, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost

ROOT = pathlib.Path(__file__).parents[2]
NAMES = ("params", "accuracy")


def candidate(accuracy: float, *costs: float) -> selection.Candidate:
    return selection.Candidate(
        0,
        architecture_lib.Architecture(8, 1, (1,), (1.0,)),
        accuracy,
        dict(zip(("params", "latency"), costs, strict=False)),
    )


def drawn(count: int, seed: int) -> list[selection.Candidate]:
    """Candidates with ties in both objectives."""
    rng = random.Random(seed)
    return [
        candidate(rng.randrange(1, 8) / 8, rng.randrange(1, 9), rng.random())
        for _ in range(count)
    ]


def dominates(first: selection.Candidate, second: selection.Candidate) -> bool:
    a, b = ((-c.accuracy, c.costs["params"]) for c in (first, second))
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def limit(maximum: float | None = None) -> constraint.Constraint:
    ranges = {cost.PARAMS: constraint.Range(None, maximum)} if maximum else {}
    return constraint.Constraint(tiny.SPACE, tiny.MODEL, ranges)


class MembersTest(parameterized.TestCase):
    def test_they_are_those_that_none_dominates_each_value_once(self):
        for seed in range(20):
            drawn_ones = drawn(12, seed)
            expected = {}
            for each in drawn_ones:
                if not any(dominates(other, each) for other in drawn_ones):
                    expected.setdefault(
                        (each.accuracy, each.costs["params"]), each
                    )
            found = front.members(drawn_ones, NAMES)
            self.assertEqual(
                found, [expected[key] for key in sorted(expected, reverse=True)]
            )

    @parameterized.parameters(
        (1, [0]),
        (2, [0, 4]),
        (3, [0, 2, 4]),
        (4, [0, 1, 2, 4]),
        (5, [0, 1, 2, 3, 4]),
        (9, [0, 1, 2, 3, 4]),
    )
    def test_some_are_spread_from_the_first_to_the_last(self, count, indices):
        whole = [candidate(1 - i / 8, 9 - i) for i in range(5)]
        self.assertEqual(
            front.spread(whole, count), [whole[index] for index in indices]
        )
        self.assertEqual(front.spread(whole[:1], count), whole[:1])


class FrontTest(parameterized.TestCase):
    def test_the_hypervolume_is_the_area_by_hand(self):
        whole = front.Front(NAMES, limit(1000), cost.COSTS)
        # In shares of 100% and 1,000: 0.8 · 0.5, 0.5 · 0.2 more, 0.25 · 0.1.
        members = [
            candidate(0.8, 500),
            candidate(0.5, 300),
            candidate(0.25, 200),
        ]
        self.assertAlmostEqual(whole.hypervolume(members[:1]), 0.8 * 0.5)
        area = 0.8 * 0.5 + 0.5 * 0.2 + 0.25 * 0.1
        self.assertAlmostEqual(whole.hypervolume(members), area)
        # What is dominated, or beyond the box, adds nothing.
        members += [candidate(0.4, 400), candidate(0.9, 1001)]
        self.assertAlmostEqual(whole.hypervolume(members), area)

    def test_three_objectives_are_a_volume(self):
        latency = cost.Cost(
            "latency", "ms", lambda _, subnet: 2.0 * subnet.depth, "ms"
        )
        whole = front.Front(
            ("accuracy", "params", "latency"),
            limit(1000),
            (cost.PARAMS, latency),
        )
        self.assertEqual(
            [each.name for each in whole.costs], ["params", "latency"]
        )
        # Without a maximum, the largest architecture's: 4 ms.
        members = [candidate(0.5, 500, 1.0), candidate(0.8, 750, 3.0)]
        self.assertAlmostEqual(
            whole.hypervolume(members),
            0.5 * 0.5 * 0.75 + 0.8 * 0.25 * 0.25 - 0.5 * 0.25 * 0.25,
        )

    def test_an_unknown_objective_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError,
            "objectives has 'flops'; it can have accuracy, params, macs",
        ):
            front.Front(("accuracy", "flops"), limit(), cost.COSTS)

    def test_without_pymoo_the_command_is_told_that_installs_it(self):
        with (
            mock.patch.dict(sys.modules, pymoo=None),
            self.assertRaisesRegex(errors.InputError, "pip install ") as caught,
        ):
            front.Front(NAMES, limit(), cost.COSTS)
        pinned = str(caught.exception).split()[-1]
        for file in ("pyproject.toml", "requirements-dev.txt"):
            text = (ROOT / file).read_text()
            self.assertEqual(re.findall(r"pymoo==[\d.]+", text), [pinned])


class Nsga2Test(absltest.TestCase):
    def test_candidates_come_by_rank_and_crowding(self):
        # The front by hand: extremes first, then by the sum of the distances
        # of the neighbours in shares of the ranges, 0.6 and 30.
        whole = [
            candidate(0.9, 40),
            candidate(0.8, 35),  # 0.2 / 0.6 + 20 / 30 = 1.0
            candidate(0.7, 20),  # 0.4 / 0.6 + 23 / 30 = 1.43
            candidate(0.4, 12),  # 0.4 / 0.6 + 10 / 30 = 1.0
            candidate(0.3, 10),
            candidate(0.3, 11),  # It has rank 1 and is alone in it.
        ]
        self.assertEqual(
            nsga2.crowded(whole, NAMES),
            [whole[index] for index in (0, 4, 2, 1, 3, 5)],
        )

    def test_ranks_are_fronts_without_those_before(self):
        for seed in range(5):
            left = drawn(30, seed)
            ranking = nsga2.crowded(left, NAMES)
            while left:
                rank = [
                    each
                    for each in left
                    if not any(dominates(other, each) for other in left)
                ]
                self.assertCountEqual(ranking[: len(rank)], rank)
                ranking = ranking[len(rank) :]
                left = [
                    each for each in left if not any(each is r for r in rank)
                ]

    def test_tournaments_of_the_survivors_choose_the_parents(self):
        mated = []

        def offspring(config, limit, parents, known, rng):
            mated.append(parents)
            return {}

        with mock.patch.object(algorithm, "offspring", offspring):
            _, rankings = drivers_test.run(
                "nsga2", algorithm_test.limit(1e9), generations=40
            )
        shares = []
        for ranking, parents in zip(rankings, mated, strict=False):
            survivors = [
                each.architecture for each in nsga2.crowded(ranking, NAMES)
            ][:12]
            shares += [survivors.index(each) / 11 for each in parents]
        # The better one of two of 12 is at place 3.5 on average, counted from
        # 0. With 468 of them, chance moves the mean share by 0.01.
        self.assertLen(shares, 39 * 12)
        mean = sum(shares) / len(shares)
        self.assertAlmostEqual(mean, 3.5 / 11, delta=0.04)

    def test_its_front_dominates_more_than_that_of_chance(self):
        bound = algorithm_test.limit(30_000)
        whole = front.Front(NAMES, bound, [algorithm_test.PARAMS])
        for seed in range(3):
            found, by_chance = (
                whole.hypervolume(
                    drivers_test.run(
                        name, bound, search_seed=seed, generations=8
                    )[0].candidates
                )
                for name in ("nsga2", "random")
            )
            self.assertGreater(found, by_chance)


if __name__ == "__main__":
    absltest.main()
