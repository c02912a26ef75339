"""Algorithm 2 with an accuracy that costs nothing to compute."""

import dataclasses
import hashlib
import itertools
import random

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.evolution import algorithm, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost, search_space
from tf_autoformer.space import model as model_lib

Architecture = architecture_lib.Architecture
Candidate = selection.Candidate
MODEL = model_lib.ModelConfig(num_classes=10)
SPACE = search_space.SearchSpace(
    embed_dims=(16, 32, 48, 64),
    depths=(2, 3, 4),
    num_heads=(1, 2, 3, 4),
    mlp_ratios=(0.5, 1.0, 2.0, 4.0),
)
CONFIG = algorithm.EvolutionConfig(
    population=12, generations=6, parents=4, crossovers=5, mutations=5
)


def _params(architecture: Architecture) -> int:
    """Something like the parameters, from 640 to 82,944."""
    width = architecture.embed_dim
    return int(
        sum(
            width * (64 * heads + 16 + width * ratio)
            for heads, ratio in zip(
                architecture.num_heads, architecture.mlp_ratio, strict=True
            )
        )
    )


PARAMS = dataclasses.replace(
    cost.PARAMS, measure=lambda _, subnet: _params(subnet)
)


def limit(maximum: float, space=SPACE) -> constraint.Constraint:
    return constraint.Constraint(
        space, MODEL, {PARAMS: constraint.Range(maximum=maximum)}
    )


def _candidate(
    generation: int, architecture: Architecture, accuracy: float
) -> Candidate:
    return Candidate(
        generation, architecture, accuracy, {"params": _params(architecture)}
    )


def _noise(architecture: Architecture) -> float:
    """An accuracy without any structure, the same in every process."""
    digest = hashlib.sha256(str(architecture.to_dict()).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def smooth(architecture: Architecture) -> float:
    """Like a real one: each block has its best choice, and width helps."""
    score = architecture.embed_dim / 64 + architecture.depth / 4
    best_heads = (4, 3, 2, 1)
    best_ratio = (0.5, 1.0, 2.0, 4.0)
    for layer in range(architecture.depth):
        score += architecture.num_heads[layer] == best_heads[layer]
        score += architecture.mlp_ratio[layer] == best_ratio[layer]
    return score / 10


class Recorder:
    """An `evaluate` that remembers what it was asked, in order."""

    def __init__(self, accuracy=_noise):
        self.candidates: list[Candidate] = []
        self.calls: list[tuple[int, list[Architecture]]] = []
        self.members: list[tuple[int, dict[Architecture, str]]] = []
        self._accuracy = accuracy

    def __call__(self, generation: int, architectures: list[Architecture]):
        self.calls.append((generation, list(architectures)))
        self.members.append((generation, architectures))
        for architecture in architectures:
            accuracy = self._accuracy(architecture)
            candidate = _candidate(generation, architecture, accuracy)
            self.candidates.append(candidate)
            yield candidate

    @property
    def architectures(self) -> list[Architecture]:
        return [candidate.architecture for candidate in self.candidates]


def _run(config, limit, accuracy=_noise):
    evaluate = Recorder(accuracy)
    rankings = list(algorithm.search(config, limit, evaluate))
    return evaluate, rankings


class SearchTest(parameterized.TestCase):
    def test_each_candidate_has_its_origin(self):
        evaluate, _ = _run(CONFIG, limit(30_000))
        first, *later = (list(m.values()) for _, m in evaluate.members)
        self.assertEqual(first, ["random"] * 12)
        for origins in later:
            made = origins.count("crossover"), origins.count("mutation")
            self.assertEqual(
                origins,
                ["crossover"] * made[0]
                + ["mutation"] * made[1]
                + ["random"] * (10 - sum(made)),
            )
        self.assertEqual(later[0][:10], ["crossover"] * 5 + ["mutation"] * 5)

    def test_ten_thousand_offspring_satisfy_the_constraint(self):
        config = algorithm.EvolutionConfig(
            population=100,
            generations=101,
            parents=20,
            crossovers=50,
            mutations=50,
        )
        evaluate, _ = _run(config, limit(30_000), smooth)
        offspring = [c for c in evaluate.candidates if c.generation > 0]
        self.assertLen(offspring, 10_000)
        for candidate in evaluate.candidates:
            SPACE.validate(candidate.architecture)
            self.assertLessEqual(_params(candidate.architecture), 30_000)
        # The constraint bites: a search without it goes beyond.
        unlimited, _ = _run(CONFIG, limit(1e9), smooth)
        self.assertGreater(
            max(c.costs["params"] for c in unlimited.candidates), 30_000
        )

    @parameterized.parameters(
        (12, 6, 5, 5, 12 + 5 * 10),
        (12, 6, 10, 0, 12 + 5 * 10),
        (12, 6, 0, 10, 12 + 5 * 10),
        (50, 1, 25, 25, 50),
        (5, 3, 0, 0, 5),
    )
    def test_number_of_evaluations(
        self, population, generations, crossovers, mutations, expected
    ):
        config = algorithm.EvolutionConfig(
            population=population,
            generations=generations,
            parents=4,
            crossovers=crossovers,
            mutations=mutations,
        )
        evaluate, _ = _run(config, limit(1e9))
        self.assertLen(evaluate.candidates, expected)

    def test_the_papers_figures_are_the_defaults(self):
        evaluate, rankings = _run(algorithm.EvolutionConfig(), limit(1e9))
        self.assertLen(rankings, 20)
        self.assertLen(evaluate.candidates, 50 + 19 * (25 + 25))
        self.assertEqual(algorithm.EvolutionConfig().parents, 10)
        self.assertEqual(algorithm.EvolutionConfig().depth_probability, 0.2)
        self.assertEqual(algorithm.EvolutionConfig().layer_probability, 0.4)

    def test_no_architecture_is_evaluated_twice(self):
        evaluate, _ = _run(CONFIG, limit(9_000), smooth)
        self.assertLen(set(evaluate.architectures), len(evaluate.candidates))

    def test_a_generation_is_evaluated_in_one_call_with_all_its_members(self):
        evaluate, _ = _run(CONFIG, limit(30_000))
        generations, members = zip(*evaluate.calls, strict=True)
        self.assertEqual(generations, (0, 1, 2, 3, 4, 5))
        self.assertEqual([len(each) for each in members], [12] + 5 * [10])
        self.assertLen(set(itertools.chain(*members)), 12 + 5 * 10)

    def test_the_order_in_which_candidates_are_known_changes_nothing(self):
        # All are equal but for the params: so the order may decide.
        def backwards(generation, architectures):
            for architecture in reversed(list(architectures)):
                yield _candidate(generation, architecture, 0.5)

        _, expected = _run(CONFIG, limit(30_000), lambda _: 0.5)
        found = list(algorithm.search(CONFIG, limit(30_000), backwards))
        self.assertEqual(found, expected)
        params = [c.costs["params"] for c in expected[-1]]
        self.assertLess(len(set(params)), len(params))  # It did.

    def test_every_generation_is_ranked_the_last_one_too(self):
        evaluate = Recorder()
        rankings = algorithm.search(CONFIG, limit(1e9), evaluate)
        seen = 0
        for generation, ranking in enumerate(rankings):
            seen += 12 if generation == 0 else 10
            self.assertLen(evaluate.candidates, seen)
            self.assertEqual(
                ranking,
                sorted(evaluate.candidates, key=lambda c: -c.accuracy),
            )
            self.assertEqual(evaluate.candidates[-1].generation, generation)
        self.assertEqual(generation, 5)

    def test_offspring_come_from_the_best_parents(self):
        config = algorithm.EvolutionConfig(
            population=50, generations=2, parents=3, crossovers=30, mutations=0
        )
        evaluate, rankings = _run(config, limit(1e9))
        parents = [c.architecture for c in rankings[0][:3]]
        for child in evaluate.architectures[50:]:
            self.assertTrue(
                any(
                    {child.embed_dim} <= {a.embed_dim, b.embed_dim}
                    and {child.depth} <= {a.depth, b.depth}
                    and child.num_heads[0] in (a.num_heads[0], b.num_heads[0])
                    and child.mlp_ratio[1] in (a.mlp_ratio[1], b.mlp_ratio[1])
                    for a, b in itertools.combinations(parents, 2)
                )
            )

    def test_every_parent_and_no_other_has_mutants(self):
        # Without a new depth and embedding dimension these tell the parent.
        config = algorithm.EvolutionConfig(
            population=50,
            generations=2,
            parents=3,
            crossovers=0,
            mutations=60,
            depth_probability=0.0,
        )
        evaluate, rankings = _run(config, limit(1e9))
        families = [
            {(a.embed_dim, a.depth) for a in members}
            for members in (
                [c.architecture for c in rankings[0][:3]],
                evaluate.architectures[50:],
            )
        ]
        self.assertLen(families[0], 3)
        self.assertEqual(families[1], families[0])

    def test_the_seed_decides_the_whole_sequence(self):
        def sequence(seed: int) -> list[Architecture]:
            config = algorithm.EvolutionConfig(
                population=12, generations=6, parents=4, search_seed=seed
            )
            return _run(config, limit(30_000))[0].architectures

        self.assertEqual(sequence(1), sequence(1))
        self.assertNotEqual(sequence(1), sequence(2))

    def test_a_search_of_more_generations_begins_like_one_of_fewer(self):
        fewer, _ = _run(CONFIG, limit(30_000))
        longer = dataclasses.replace(CONFIG, generations=9)
        more, _ = _run(longer, limit(30_000))
        self.assertEqual(more.candidates[:62], fewer.candidates)
        self.assertLen(more.candidates, 62 + 3 * 10)

    def test_a_search_that_runs_out_of_architectures_ends_early(self):
        space = search_space.SearchSpace(
            embed_dims=(16,), depths=(1, 2), num_heads=(1,), mlp_ratios=(1, 2)
        )
        # One block costs 1,536 or 1,792; two are at most 3,328 but for the
        # pair of large ratios, 3,584: five architectures of six.
        evaluate, rankings = _run(
            algorithm.EvolutionConfig(), limit(3_328, space)
        )
        self.assertCountEqual(
            evaluate.architectures,
            [
                Architecture(16, len(ratios), (1,) * len(ratios), ratios)
                for ratios in ((1,), (2,), (1, 1), (1, 2), (2, 1))
            ],
        )
        self.assertLen(rankings, 1)
        self.assertLen(rankings[-1], 5)

    def test_one_parent_has_mutants_and_random_companions(self):
        config = algorithm.EvolutionConfig(
            population=1, generations=4, parents=1, crossovers=3, mutations=3
        )
        evaluate, _ = _run(config, limit(1e9))
        self.assertLen(evaluate.candidates, 1 + 3 * 6)

    def test_evolution_beats_random_search_of_as_many_evaluations(self):
        wins = 0
        for seed in range(10):
            config = algorithm.EvolutionConfig(
                population=30, generations=8, parents=8, search_seed=seed
            )
            bound = limit(25_000)
            evaluate, rankings = _run(config, bound, smooth)
            rng = random.Random(seed)
            best_random = max(
                smooth(bound.sample(rng)) for _ in evaluate.candidates
            )
            wins += rankings[-1][0].accuracy > best_random
        self.assertGreaterEqual(wins, 9)

    def test_another_selection_decides_who_has_offspring(self):
        config = algorithm.EvolutionConfig(
            population=50, generations=3, parents=3, crossovers=0, mutations=60
        )
        config = dataclasses.replace(config, depth_probability=0.0)
        asked = []

        def worst(ranking, count):
            asked.append((ranking, count))
            return ranking[-count:]

        evaluate = Recorder()
        bound = limit(1e9)
        rankings = list(algorithm.search(config, bound, evaluate, worst))
        # Once for each generation that has parents, from all before it.
        self.assertEqual(asked, [(rankings[0], 3), (rankings[1], 3)])
        families = [
            {(a.embed_dim, a.depth) for a in members}
            for members in (
                [c.architecture for c in rankings[0][-3:]],
                evaluate.calls[1][1],
                [c.architecture for c in rankings[0][:3]],
            )
        ]
        self.assertEqual(families[1], families[0])
        self.assertNotEqual(families[1], families[2])

    def test_ties_are_broken_towards_fewer_params(self):
        _, rankings = _run(CONFIG, limit(1e9), lambda _: 0.5)
        for ranking in rankings:
            params = [candidate.costs["params"] for candidate in ranking]
            self.assertEqual(params, sorted(params))
        self.assertLess(params[0], params[-1])

    def test_a_band_that_later_draws_miss_ends_the_search_without_error(self):
        class Missing(constraint.Constraint):
            draws = 0

            def sample(self, rng):
                Missing.draws += 1
                if Missing.draws > 3:
                    raise errors.InputError("no architecture found")
                return super().sample(rng)

        config = dataclasses.replace(CONFIG, crossovers=0, mutations=0)
        limit = Missing(SPACE, MODEL, {})
        evaluate, _ = _run(config, limit)
        self.assertLen(evaluate.candidates, 3)

    def test_nothing_is_drawn_after_the_last_generation(self):
        calls = []

        def measure(_, architecture):
            calls.append(architecture)
            return _params(architecture)

        params = dataclasses.replace(PARAMS, measure=measure)
        limit = constraint.Constraint(
            SPACE, MODEL, {params: constraint.Range(maximum=50_000)}
        )
        config = dataclasses.replace(CONFIG, generations=1)
        rankings = algorithm.search(config, limit, Recorder())
        next(rankings)
        calls.clear()
        self.assertEmpty(list(rankings))
        self.assertEmpty(calls)

    def test_an_infeasible_constraint_is_refused_before_any_evaluation(self):
        evaluate = Recorder()
        with self.assertRaisesRegex(errors.InputError, "params at most 600"):
            list(algorithm.search(CONFIG, limit(600), evaluate))
        self.assertEmpty(evaluate.candidates)

    @parameterized.parameters(0, 5, 11, 12, 30, 61)
    def test_an_interrupted_search_continues_as_if_it_had_not_been(
        self, stopped_after
    ):
        expected, expected_rankings = _run(CONFIG, limit(30_000))
        self.assertLen(expected.candidates, 62)
        memory: dict[Architecture, Candidate] = {}
        evaluate = Recorder()

        def remember(generation, architectures):
            new = [each for each in architectures if each not in memory]
            for candidate in evaluate(generation, new):
                if len(memory) == stopped_after and not resumed:
                    evaluate.candidates.pop()
                    raise KeyboardInterrupt
                memory[candidate.architecture] = candidate
            return [memory[each] for each in architectures]

        resumed = False
        with self.assertRaises(KeyboardInterrupt):
            list(algorithm.search(CONFIG, limit(30_000), remember))
        resumed = True
        rankings = list(algorithm.search(CONFIG, limit(30_000), remember))
        self.assertEqual(evaluate.candidates, expected.candidates)
        self.assertEqual(rankings, expected_rankings)


class ConfigTest(parameterized.TestCase):
    @parameterized.parameters(
        ("population", 0, "at least 1"),
        ("generations", 0, "at least 1"),
        ("parents", -1, "at least 1"),
        ("crossovers", -1, "0 or more"),
        ("mutations", -3, "0 or more"),
        ("depth_probability", 1.5, r"in \[0, 1\]"),
        ("layer_probability", -0.1, r"in \[0, 1\]"),
        ("layer_probability", float("nan"), r"in \[0, 1\]"),
    )
    def test_bad_value_names_field_value_and_rule(self, field, value, rule):
        with self.assertRaisesRegex(
            errors.InputError, f"{field} is {value}; it must be {rule}"
        ):
            algorithm.EvolutionConfig(**{field: value})

    def test_only_drivers_of_the_top_k_race(self):
        for driver in ("evolution", "random"):
            algorithm.EvolutionConfig(driver=driver, racing=True)
        for driver in ("predictor", "coarse_to_fine"):
            with self.assertRaisesRegex(
                errors.InputError,
                f"driver is '{driver}'; it must be evolution or random",
            ):
                algorithm.EvolutionConfig(driver=driver, racing=True)


if __name__ == "__main__":
    absltest.main()
