"""Accuracies of a generation come one by one."""

from absl.testing import absltest

from tf_autoformer.evaluation import generation
from tf_autoformer.space import architecture as architecture_lib

GENERATION = [
    architecture_lib.Architecture(8 * width, 1, (1,), (1.0,))
    for width in (3, 1, 2)
]


class Evaluator:
    """One that notes what it is asked for."""

    def __init__(self):
        self.asked = []

    def accuracy(self, architecture: architecture_lib.Architecture) -> float:
        self.asked.append(architecture)
        return architecture.embed_dim / 100


class GenerationTest(absltest.TestCase):
    def test_each_is_handed_over_before_the_next_is_evaluated(self):
        evaluator = Evaluator()
        found = generation.accuracies(evaluator, GENERATION)
        for number, architecture in enumerate(GENERATION, 1):
            self.assertEqual(
                next(found), (architecture, architecture.embed_dim / 100)
            )
            self.assertEqual(evaluator.asked, GENERATION[:number])
        self.assertEmpty(list(found))

    def test_of_no_architectures_there_are_none(self):
        self.assertEmpty(list(generation.accuracies(Evaluator(), [])))


if __name__ == "__main__":
    absltest.main()
