"""The ranking of candidates and the top K."""

import dataclasses

from absl.testing import absltest

from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib


def _candidate(
    name: int, accuracy: float, params: int, generation: int = 0
) -> selection.Candidate:
    """A candidate whose embedding dimension tells which it is."""
    return selection.Candidate(
        generation=generation,
        architecture=architecture_lib.Architecture(name, 1, (1,), (1.0,)),
        accuracy=accuracy,
        # By MACs or latency the order would be another.
        costs={"params": params, "macs": -params, "latency": 1 / params},
    )


def _names(candidates: list[selection.Candidate]) -> list[int]:
    return [candidate.architecture.embed_dim for candidate in candidates]


FOUND = [
    _candidate(1, 0.5, 100),
    _candidate(2, 0.9, 300),
    _candidate(3, 0.9, 200, generation=1),
    _candidate(4, 0.5, 100, generation=1),
    _candidate(5, 0.7, 900, generation=1),
]


class SelectionTest(absltest.TestCase):
    def test_accuracy_then_fewer_params_then_the_earlier_decide(self):
        self.assertEqual(_names(selection.ranked(FOUND)), [3, 2, 5, 1, 4])
        self.assertEqual(_names(selection.ranked(FOUND[::-1])), [3, 2, 5, 4, 1])

    def test_one_that_a_race_stopped_is_behind_all_others(self):
        stopped = dataclasses.replace(_candidate(6, 1.0, 1), images=32)
        self.assertEqual(
            _names(selection.ranked([stopped, *FOUND])), [3, 2, 5, 1, 4, 6]
        )

    def test_top_is_the_beginning_of_the_ranking(self):
        ranking = selection.ranked(FOUND)
        self.assertEqual(_names(selection.top(ranking, 2)), [3, 2])
        self.assertEqual(_names(selection.top(ranking, 9)), [3, 2, 5, 1, 4])

    def test_accuracies_are_those_of_one_generation(self):
        self.assertEqual(selection.accuracies(FOUND, 1), [0.9, 0.5, 0.7])


if __name__ == "__main__":
    absltest.main()
