"""The drivers, with an accuracy that costs nothing to compute."""

import dataclasses
from unittest import mock

from absl.testing import absltest, parameterized

from tests.evolution import algorithm_test
from tf_autoformer import errors, rules
from tf_autoformer.evolution import algorithm, drivers, predictor, selection
from tf_autoformer.space import constraint, search_space

CONFIG = dataclasses.replace(algorithm_test.CONFIG, generations=3)
LIMIT = algorithm_test.limit(30_000)
SMALL_SPACE = search_space.SearchSpace(
    embed_dims=(16,), depths=(1, 2), num_heads=(1,), mlp_ratios=(1, 2)
)


def run(
    name: str,
    limit: constraint.Constraint,
    accuracy=algorithm_test.smooth,
    **changes,
) -> tuple[algorithm_test.Recorder, list[list[selection.Candidate]]]:
    config = dataclasses.replace(CONFIG, driver=name, **changes)
    evaluate = algorithm_test.Recorder(accuracy)
    return evaluate, list(drivers.DRIVERS[name](config, limit, evaluate))


@mock.patch.object(predictor, "_GENERATIONS", 2)
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
        evaluate, rankings = run(name, LIMIT)
        self.assertEqual(
            [(number, len(members)) for number, members in evaluate.calls],
            [(0, 12), (1, 10), (2, 10)],
        )
        self.assertLen(set(evaluate.architectures), CONFIG.candidates)
        for architecture in evaluate.architectures:
            self.assertTrue(LIMIT.allows(architecture))
        for number, ranking in enumerate(rankings):
            self.assertEqual(
                ranking,
                selection.ranked(evaluate.candidates[: 12 + 10 * number]),
            )
        first = list(evaluate.members[0][1].values())
        origin = "coarse" if name == "coarse_to_fine" else "random"
        self.assertEqual(first, [origin] * 12)

    @parameterized.parameters(*drivers.DRIVERS)
    def test_it_follows_from_the_seed_and_the_accuracies(self, name):
        first = run(name, LIMIT)[0].calls
        self.assertEqual(run(name, LIMIT)[0].calls, first)
        self.assertNotEqual(run(name, LIMIT, search_seed=1)[0].calls, first)
        # The accuracies decide from the second generation on.
        other = run(name, LIMIT, lambda a: 1 - algorithm_test.smooth(a))
        self.assertEqual(other[0].calls[0], first[0])
        self.assertEqual(other[0].calls == first, name == "random")

    @parameterized.parameters(*drivers.DRIVERS)
    def test_it_ends_when_all_that_is_feasible_is_known(self, name):
        # One block costs 1,536 or 1,792; two are at most 3,328 but for the
        # pair of large ratios, 3,584: five architectures of six.
        limit = algorithm_test.limit(3_328, SMALL_SPACE)
        evaluate, rankings = run(name, limit, population=2)
        self.assertLen(evaluate.architectures, 5)
        self.assertLen(set(evaluate.architectures), 5)
        self.assertLen(rankings[-1], 5)

    @parameterized.parameters(*drivers.DRIVERS)
    def test_the_only_feasible_architecture_is_found(self, name):
        limit = algorithm_test.limit(1_536, SMALL_SPACE)
        evaluate, rankings = run(name, limit)
        self.assertLen(evaluate.candidates, 1)
        self.assertEqual(rankings, [evaluate.candidates])

    @parameterized.parameters(*drivers.DRIVERS)
    def test_a_narrow_budget_is_kept(self, name):
        limit = constraint.Constraint(
            algorithm_test.SPACE,
            algorithm_test.MODEL,
            {algorithm_test.PARAMS: constraint.Range(29_950, 30_000)},
        )
        evaluate, _ = run(
            name, limit, population=2, crossovers=1, mutations=1, generations=2
        )
        self.assertLen(set(evaluate.architectures), 4)
        for architecture in evaluate.architectures:
            self.assertTrue(limit.allows(architecture))

    @parameterized.parameters(*drivers.DRIVERS)
    def test_an_infeasible_constraint_is_refused(self, name):
        with self.assertRaisesRegex(errors.InputError, "params at most 600"):
            run(name, algorithm_test.limit(600))

    @parameterized.parameters("predictor", "additive")
    def test_a_model_of_the_accuracy_finds_better_ones_than_chance(self, name):
        for seed in range(2):
            found, by_chance = (
                run(driver, LIMIT, population=30, search_seed=seed)[1][-1][0]
                for driver in (name, "random")
            )
            self.assertGreater(found.accuracy, by_chance.accuracy)

    def test_a_predictor_leaves_an_eighth_to_chance(self):
        evaluate, _ = run("predictor", LIMIT, crossovers=9, mutations=7)
        for _, members in evaluate.members[1:]:
            self.assertEqual(
                list(members.values()), ["predicted"] * 14 + ["random"] * 2
            )


class ObjectivesTest(parameterized.TestCase):
    def test_only_nsga2_has_some(self):
        names = {
            name: algorithm.EvolutionConfig(driver=name).objectives
            for name in drivers.DRIVERS
        }
        self.assertEqual(names.pop("nsga2"), ("accuracy", "params"))
        self.assertEqual(set(names.values()), {()})

    @parameterized.parameters(
        ("evolution", ("accuracy", "params"), "evolution has none, only nsga2"),
        ("nsga2", ("params", "macs"), "must be accuracy and one or more costs"),
        ("nsga2", ("accuracy",), "must be accuracy and one or more costs"),
        ("nsga2", ("accuracy", "macs", "macs"), "each once"),
    )
    def test_others_are_refused(self, driver, objectives, message):
        with self.assertRaisesRegex(
            errors.InputError,
            f"objectives is {','.join(objectives)}; .*{message}",
        ):
            algorithm.EvolutionConfig(driver=driver, objectives=objectives)


if __name__ == "__main__":
    absltest.main()
