"""The drivers, with an accuracy that costs nothing to compute."""

import dataclasses

from absl.testing import absltest, parameterized

from tests.evolution import algorithm_test
from tf_autoformer import rules
from tf_autoformer.evolution import algorithm, drivers, selection

CONFIG = algorithm_test.CONFIG
LIMIT = algorithm_test.limit(30_000)


class DriversTest(parameterized.TestCase):
    def test_each_name_of_the_configuration_is_a_driver(self):
        (field,) = (
            field
            for field in dataclasses.fields(algorithm.EvolutionConfig)
            if field.name == "driver"
        )
        self.assertCountEqual(rules.choices(field), drivers.DRIVERS)

    @parameterized.parameters(*drivers.DRIVERS)
    def test_equal_budgets_under_the_constraint_and_each_candidate_once(
        self, name
    ):
        evaluate = algorithm_test.Recorder(algorithm_test.smooth)
        rankings = list(drivers.DRIVERS[name](CONFIG, LIMIT, evaluate))
        self.assertEqual(
            [(number, len(members)) for number, members in evaluate.calls],
            [(0, 12), (1, 10), (2, 10), (3, 10), (4, 10), (5, 10)],
        )
        self.assertLen(set(evaluate.architectures), CONFIG.candidates)
        for architecture in evaluate.architectures:
            self.assertTrue(LIMIT.allows(architecture))
        for number, ranking in enumerate(rankings):
            self.assertEqual(
                ranking,
                selection.ranked(evaluate.candidates[: 12 + 10 * number]),
            )

    @parameterized.parameters(*drivers.DRIVERS)
    def test_it_follows_from_the_seed_and_the_accuracies(self, name):
        def asked(config, accuracy):
            evaluate = algorithm_test.Recorder(accuracy)
            list(drivers.DRIVERS[name](config, LIMIT, evaluate))
            return evaluate.calls

        first = asked(CONFIG, algorithm_test.smooth)
        self.assertEqual(asked(CONFIG, algorithm_test.smooth), first)
        other = dataclasses.replace(CONFIG, search_seed=1)
        self.assertNotEqual(asked(other, algorithm_test.smooth), first)


if __name__ == "__main__":
    absltest.main()
