"""A search is what its flags say."""

import dataclasses
import pathlib

from absl.testing import absltest

from tests.helpers import options
from tf_autoformer import errors, search
from tf_autoformer.evolution import algorithm
from tf_autoformer.space import constraint, cost


def parse(*arguments: str) -> search.Options:
    return options.parse(search.Options, "--workdir=runs", *arguments)


class OptionsTest(absltest.TestCase):
    def test_every_field_of_the_evolution_is_a_flag_of_its_default(self):
        defined = options.defined(search.Options)
        for field in dataclasses.fields(algorithm.EvolutionConfig):
            flag = defined[field.name]
            self.assertEqual(flag.default, field.default)
            self.assertIs(type(flag.default), field.type)

    def test_an_evolution_is_what_the_flags_say(self):
        self.assertEqual(
            parse(
                "--population=7", "--depth_probability=1", "--parents=3"
            ).evolution,
            algorithm.EvolutionConfig(
                population=7, depth_probability=1.0, parents=3
            ),
        )

    def test_ranges_are_of_the_bounded_costs_alone(self):
        self.assertEqual(parse().ranges, {})
        self.assertEqual(
            parse("--max_params=6e6", "--min_macs=1e9").ranges,
            {
                "params": constraint.Range(None, 6e6),
                "macs": constraint.Range(1e9, None),
            },
        )

    def test_latency_is_bounded_and_read_from_a_file(self):
        found = parse("--max_latency_ms=3.5", "--latency=latency.jsonl")
        self.assertEqual(
            found.ranges, {"latency_ms": constraint.Range(None, 3.5)}
        )
        self.assertEqual(found.latency, pathlib.Path("latency.jsonl"))

    def test_a_minimum_above_its_maximum_is_an_input_error(self):
        with self.assertRaisesRegex(errors.InputError, "must not exceed"):
            parse("--min_params=2", "--max_params=1")

    def test_every_cost_can_be_bounded(self):
        for each in cost.COSTS:
            self.assertEqual(
                parse(f"--max_{each.name}=5").ranges,
                {each.name: constraint.Range(None, 5)},
            )


if __name__ == "__main__":
    absltest.main()
