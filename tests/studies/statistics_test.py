"""Rank correlations against SciPy's and brute force."""

import itertools
import math

import numpy as np
from absl.testing import absltest, parameterized
from scipy import stats

from tf_autoformer.studies import statistics


class StatisticsTest(parameterized.TestCase):
    @parameterized.parameters(range(5))
    def test_kendall_counts_pairs_and_leaves_out_ties(self, seed):
        first, second = np.random.default_rng(seed).integers(0, 6, (2, 12))
        pairs = [*itertools.combinations(zip(first, second, strict=True), 2)]
        agree = sum((a[0] - b[0]) * (a[1] - b[1]) > 0 for a, b in pairs)
        differ = sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in pairs)
        untied = [sum(a[n] != b[n] for a, b in pairs) for n in range(2)]

        self.assertAlmostEqual(
            statistics.kendall(first, second),
            (agree - differ) / math.sqrt(untied[0] * untied[1]),
        )

    def test_spearman_is_the_correlation_of_mean_ranks(self):
        first, second = [10, 20, 20, 40], [1, 3, 2, 4]

        self.assertAlmostEqual(
            statistics.spearman(first, second),
            np.corrcoef([1, 2.5, 2.5, 4], second)[0, 1],
        )

    def test_nothing_correlates_with_a_constant(self):
        for function in (statistics.kendall, statistics.spearman):
            self.assertTrue(math.isnan(function([1, 1, 1], [1, 2, 3])))

    def test_an_estimate_has_an_interval_around_it(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=40)
        y = x + rng.normal(size=40)

        found = statistics.estimate(statistics.spearman, x, y)

        self.assertEqual(found.value, statistics.spearman(x, y))
        # Fisher's approximation of the interval.
        z, side = math.atanh(found.value), 1.96 / math.sqrt(37)
        self.assertAlmostEqual(found.low, math.tanh(z - side), delta=0.08)
        self.assertAlmostEqual(found.high, math.tanh(z + side), delta=0.08)
        self.assertEqual(found, statistics.estimate(statistics.spearman, x, y))

    def test_members_are_resampled_with_all_their_figures(self):
        seen = []

        def statistic(first, second):
            seen.append((tuple(first), tuple(second)))
            return 0.0

        statistics.estimate(statistic, [1, 2, 3], [10, 20, 30])

        for first, second in seen:
            self.assertEqual(second, tuple(10 * each for each in first))
        self.assertLen({first for first, _ in seen}, 27)

    def test_the_text_of_an_estimate(self):
        found = statistics.Estimate(0.5, -0.25, math.nan)

        self.assertEqual(found.text(), "+0.50 (-0.25 to +nan)")
        self.assertEqual(
            found.to_dict(), {"value": 0.5, "low": -0.25, "high": None}
        )
        self.assertEqual(statistics.Estimate(*[math.nan] * 3).text(), "–")

    def test_reliability_is_stepped_up_from_pairs_of_seeds(self):
        seeds = [[1, 2, 3, 4], [2, 1, 3, 4], [1, 2, 4, 3]]
        mean = np.mean(
            [
                stats.spearmanr(*pair).statistic
                for pair in itertools.combinations(seeds, 2)
            ]
        )

        self.assertAlmostEqual(
            statistics.reliability(seeds), 3 * mean / (1 + 2 * mean)
        )
        self.assertTrue(math.isnan(statistics.reliability(seeds[:1])))


if __name__ == "__main__":
    absltest.main()
