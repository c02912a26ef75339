"""A search in a working folder: nothing that was evaluated is lost."""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping
from unittest import mock

import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors, progress
from tf_autoformer.evaluation import accuracy, generation
from tf_autoformer.evolution import algorithm, selection, session
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost

CONFIG = algorithm.EvolutionConfig(
    population=5, generations=3, parents=3, crossovers=2, mutations=2
)
LATENCY = tiny.LATENCY


def _invented(_, architecture: architecture_lib.Architecture) -> float:
    """An accuracy that need not be counted."""
    return cost.params(tiny.DIGITS_MODEL, architecture) % 97 / 97


_NOT_COUNTED = mock.patch.object(accuracy.Evaluator, "accuracy", _invented)


class SearchTest(tiny.WorkdirTest):
    @classmethod
    @functools.cache
    def _whole(cls) -> list[list[selection.Candidate]]:
        """The rankings of the search "whole", which nothing ends early."""
        return list(cls._search("whole").run())

    @classmethod
    def _search(
        cls,
        name: str,
        ranges: Mapping[str, constraint.Range] | None = None,
        **options,
    ) -> session.Search:
        return session.Search(
            cls.workdir,
            name,
            CONFIG,
            ranges or {},
            cls.data_dir,
            tf.distribute.get_strategy(),
            **options,
        )

    def _lines(self, name: str) -> list[dict]:
        path = self.workdir.search(name).candidates
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_it_evaluates_on_the_validation_split(self):
        with mock.patch.object(accuracy, "Evaluator") as made:
            search = self._search("split")
        _, supernet, dataset, split = made.call_args.args
        self.assertIs(supernet, search.supernet)
        self.assertEqual(split, "validation")
        self.assertEqual(dataset.num_examples(split), 288)

    # In the middle of the first generation, at its end and in the second.
    @parameterized.parameters(2, 5, 7)
    def test_killed_in_a_generation_it_loses_nothing(self, evaluated):
        whole = self._whole()
        name = f"killed_{evaluated}"
        evaluate = accuracy.Evaluator.accuracy
        calls = []

        def killed(evaluator, architecture):
            if len(calls) == evaluated:
                raise KeyboardInterrupt
            calls.append(architecture)
            return evaluate(evaluator, architecture)

        with (
            mock.patch.object(accuracy.Evaluator, "accuracy", killed),
            self.assertRaises(KeyboardInterrupt),
        ):
            list(self._search(name).run())
        self.assertEqual(
            [line["architecture"] for line in self._lines(name)],
            [architecture.to_dict() for architecture in calls],
        )

        found = list(self._search(name).run())
        self.assertEqual(found[-1], whole[-1])
        self.assertEqual(self._lines(name), self._lines("whole"))

    @_NOT_COUNTED
    def test_a_generation_is_evaluated_at_once_but_for_what_is_known(self):
        *_, whole = self._search("at_once").run()
        self.assertLen(whole, 13)
        path = self.workdir.search("at_once").candidates
        lines = path.read_text().splitlines(keepends=True)
        # Of the second generation, lines 6 to 9, two are missing.
        path.write_text("".join([*lines[:5], lines[6], lines[8]]))
        accuracies = generation.accuracies
        calls = []

        def counted(evaluator, architectures):
            calls.append([each.to_dict() for each in architectures])
            return accuracies(evaluator, architectures)

        with mock.patch.object(generation, "accuracies", counted):
            *_, again = self._search("at_once").run()
        missing = [json.loads(line)["architecture"] for line in lines]
        self.assertEqual(calls, [[], [missing[5], missing[7]], missing[9:]])
        self.assertEqual(again, whole)

    def test_candidates_are_written_with_params_and_macs(self):
        self._whole()
        lines = self._lines("whole")
        self.assertLen(lines, 13)
        for line in lines:
            subnet = architecture_lib.Architecture.from_dict(
                line["architecture"]
            )
            self.assertEqual(
                list(line),
                [
                    "generation",
                    "origin",
                    "accuracy",
                    "params",
                    "macs",
                    "architecture",
                ],
            )
            for each in cost.COSTS:
                value = each.measure(tiny.DIGITS_MODEL, subnet)
                self.assertEqual(line[each.name], value)
                self.assertIsInstance(line[each.name], int)

    @_NOT_COUNTED
    def test_a_cost_of_run_time_is_bounded_written_and_shown(self):
        ranges = {"latency": constraint.Range(maximum=2.6)}
        search = self._search("timed", ranges, further_costs=(LATENCY,))
        with self.assertLogs(session.__name__) as caught:
            *_, ranking = search.run()
        latencies = [line["latency"] for line in self._lines("timed")]
        self.assertEqual(
            latencies,
            [
                line["architecture"]["depth"]
                + line["architecture"]["embed_dim"] / 16
                for line in self._lines("timed")
            ],
        )
        # The smallest has 1.5 and the largest 3.
        self.assertLessEqual(max(latencies), 2.6)
        best = ranking[0].costs
        self.assertIn(
            f" with {best['params']:,} params, {best['latency']:.2f} ms  ",
            caught.records[-1].getMessage(),
        )

        # It is continued like any other, and its constraint is read back.
        *_, again = self._search(
            "timed", ranges, further_costs=(LATENCY,)
        ).run()
        self.assertEqual(again, ranking)
        limited = session.load_constraint(
            self.workdir.search("timed"),
            self.workdir.experiment,
            (*cost.COSTS, LATENCY),
        )
        self.assertEqual(limited.ranges, {LATENCY: constraint.Range(None, 2.6)})
        with self.assertRaisesRegex(
            errors.InputError,
            "timed/config.json: the constraint bounds latency; it can bound "
            "params, macs",
        ):
            session.load_constraint(
                self.workdir.search("timed"), self.workdir.experiment
            )

    @_NOT_COUNTED
    def test_it_goes_on_only_with_the_measurements_it_was_made_with(self):
        first, other = (
            dataclasses.replace(LATENCY, source=digest)
            for digest in ("digest 1", "digest 2")
        )
        list(self._search("sourced", further_costs=(first,)).run())
        list(self._search("sourced", further_costs=(first,)).run())
        for costs, found in (((other,), "'digest 2'"), ((), "None")):
            with self.assertRaisesRegex(
                errors.InputError,
                f"sources.latency 'digest 1', now it is {found}",
            ):
                self._search("sourced", further_costs=costs)

    @_NOT_COUNTED
    def test_the_best_is_the_one_that_is_chosen(self):
        search = self._search("chosen", choose=lambda ranking: ranking[2])
        *_, ranking = search.run()
        self.assertEqual(search.best, ranking[2].architecture)
        search.settle(ranking[::-1])
        self.assertEqual(search.best, ranking[-3].architecture)

    def test_a_cost_that_earlier_candidates_lack_is_told(self):
        self._whole()
        with self.assertRaisesRegex(
            errors.InputError, "candidates.jsonl, line 1 .*latency"
        ):
            self._search("whole", further_costs=(LATENCY,))

    def test_an_unknown_cost_is_refused_before_the_folder_is_made(self):
        with self.assertRaisesRegex(
            errors.InputError, "the constraint bounds latency; it can bound"
        ):
            self._search("unknown", {"latency": constraint.Range(maximum=1)})
        self.assertFalse(self.workdir.search("unknown").root.exists())

    @_NOT_COUNTED
    def test_a_long_generation_tells_its_progress(self):
        with (
            mock.patch.object(progress, "_REPORT_SECONDS", -1),
            self.assertLogs(session.__name__) as caught,
        ):
            rankings = list(self._search("told").run())
        messages = [record.getMessage() for record in caught.records]
        speed = r"  [\d.]+ candidates/s  ETA \d:\d\d:\d\d"
        expected = []
        for number, (size, ranking) in enumerate(
            zip((5, 9, 13), rankings, strict=True), 1
        ):
            before = 5 if number == 1 else 4
            expected += [
                rf"generation {number}{speed}  {done} candidates"
                for done in range(size - before + 1, size + 1)
            ]
            mean = sum(selection.accuracies(ranking, number - 1)) / before
            best = re.escape(
                f"generation {number}/3  mean {mean:.1%}  best so far "
                f"{ranking[0].accuracy:.1%} with "
                f"{ranking[0].costs['params']:,} params"
            )
            expected.append(rf"{best}({speed})?  {size} candidates")
        self.assertLen(messages, len(expected))
        for message, pattern in zip(messages, expected, strict=True):
            self.assertRegex(message, f"^{pattern}$")


if __name__ == "__main__":
    absltest.main()
