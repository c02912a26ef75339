"""The yield of each operator, counted by hand."""

import random

from absl.testing import absltest

from tf_autoformer.analysis import origins
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib

# (generation, origin, accuracy). With K = 2, the top has been 0.6 and 0.5, then
# 0.8 and 0.6, then 0.8 and 0.7.
FOUND = [
    (0, "random", 0.5),
    (0, "random", 0.4),
    (0, "random", 0.6),
    (1, "mutation", 0.8),
    (1, "crossover", 0.3),
    (1, "mutation", 0.2),
    (2, "crossover", 0.7),
    (2, "", 0.1),
]


def _candidates() -> list[selection.Candidate]:
    return [
        selection.Candidate(
            generation,
            architecture_lib.Architecture(8 + number, 1, (1,), (1.0,)),
            accuracy,
            {"params": number},
            origin,
        )
        for number, (generation, origin, accuracy) in enumerate(FOUND)
    ]


class OriginsTest(absltest.TestCase):
    def test_it_entered_the_top_if_it_was_there_in_its_own_generation(self):
        candidates = _candidates()
        random.Random(0).shuffle(candidates)
        found = origins.entered(candidates, parents=2)
        self.assertEqual({each.embed_dim - 8 for each in found}, {0, 2, 3, 6})

    def test_a_top_that_all_fit_in_is_entered_by_all(self):
        self.assertLen(origins.entered(_candidates(), parents=9), len(FOUND))

    def test_yields_are_counted_for_each_operator(self):
        candidates = _candidates()
        found = origins.yields(candidates, origins.entered(candidates, 2))
        figures = {
            each.origin: (
                each.evaluated,
                round(each.mean, 9),
                each.best,
                each.entered,
            )
            for each in found
        }
        self.assertEqual(
            figures,
            {
                "random": (3, 0.5, 0.6, 2),
                "mutation": (2, 0.5, 0.8, 1),
                "crossover": (2, 0.5, 0.7, 1),
                "not recorded": (1, 0.1, 0.1, 0),
            },
        )
        self.assertEqual(found[0].origin, "random")


if __name__ == "__main__":
    absltest.main()
