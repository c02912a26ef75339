"""Latency as a cost of a search, and the subnet found, measured itself."""

import dataclasses
import json
import pathlib
import random
import subprocess
from unittest import mock

from absl.testing import absltest

from tests.helpers import latencies, tiny
from tf_autoformer import errors, report
from tf_autoformer.analysis import report as report_lib
from tf_autoformer.evolution import selection
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import (
    bound,
    measurements,
    predictor,
    runtimes,
    sample,
    winner,
)
from tf_autoformer.space import constraint
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import compilation

MODEL, SPACE = latencies.MODEL, latencies.SPACE


class BoundTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = folder / "latency.jsonl"
        self.enter_context(
            mock.patch.dict(
                predictor._REGRESSIONS,
                {"linear regression": predictor._linear},
                clear=True,
            )
        )

    def _constraint(self, maximum: float) -> constraint.Constraint:
        cost = bound.predicted(latencies.write(self.path))
        allowed = constraint.Range(maximum=maximum)
        return constraint.Constraint(SPACE, MODEL, {cost: allowed})

    def test_it_is_the_cost_that_is_predicted(self):
        measured = latencies.write(self.path)
        cost = bound.predicted(measured)
        self.assertEqual(cost.name, "latency_ms")
        self.assertEqual(cost.source, measured.digest)
        self.assertAlmostEqual(cost.measure(MODEL, SPACE.largest), 5, delta=0.1)
        self.assertEqual(cost.text(0.08274), "0.0827 ms")

    def test_a_bound_that_one_architecture_meets_finds_it(self):
        # The smallest has 1.5 ms, the next ones 1.75 and 2.
        found = self._constraint(1.6).sample(random.Random(0))
        self.assertEqual((found.embed_dim, found.num_heads), (8, (1,)))

    def test_a_bound_that_none_meets_is_told(self):
        with self.assertRaisesRegex(
            errors.InputError,
            r"no architecture found with latency_ms at most 1; .* has 1\.[45]",
        ):
            self._constraint(1.0).sample(random.Random(0))

    def test_measurements_are_asked_for_only_if_latency_is_bounded(self):
        self.assertIsNone(bound.read(None, MODEL, SPACE, {"params"}))
        with self.assertRaisesRegex(errors.InputError, "--latency=FILE must"):
            bound.read(None, MODEL, SPACE, {"latency_ms"})

    def test_those_of_another_network_are_refused(self):
        latencies.write(self.path)
        self.assertIsNotNone(bound.read(self.path, MODEL, SPACE))
        with self.assertRaisesRegex(
            errors.InputError, "latency.jsonl: .* num_classes 10, and not 5"
        ):
            bound.read(
                self.path,
                model_lib.ModelConfig(**vars(MODEL) | {"num_classes": 5}),
                SPACE,
            )
        with self.assertRaisesRegex(errors.InputError, "has no measurements"):
            bound.read(self.path.parent / "no", MODEL, SPACE)

    def test_a_report_has_all_that_was_measured(self):
        workdir = tiny.workdir(str(self.path.parent / "workdir"))
        given = latencies.write(self.path)
        own = workdir.search("default").latency
        own.parent.mkdir(parents=True)
        latencies.write(own, lambda _: 0.5, count=1)
        with (
            mock.patch.object(report_lib, "Report") as made,
            mock.patch.object(compilation, "use"),
        ):
            made.return_value.lines.return_value = ["It is healthy."]
            report.main(report.Options(workdir=workdir.root, latency=self.path))
        *_, costs, measured = made.call_args.args
        self.assertEqual([each.name for each in costs], ["latency_ms"])
        (itself,) = measurements.Measurements(own).latencies
        self.assertEqual(measured, given.latencies | {itself: 0.5})
        self.assertGreater(given.latencies[itself], 0.5)

        # Without predictions, measured values would have no column.
        with (
            mock.patch.object(report_lib, "Report") as made,
            mock.patch.object(compilation, "use"),
        ):
            made.return_value.lines.return_value = []
            report.main(report.Options(workdir=workdir.root))
        self.assertLen(made.call_args.args, 5)


def candidate(number: int) -> selection.Candidate:
    """The candidate of this rank, from 0. It is predicted to have 2 ms."""
    return selection.Candidate(
        0, RANKED[number], 0.9 - number / 10, {"params": 1, "latency_ms": 2.0}
    )


RANKED = sample.draw(SPACE, 7, seed=5)
RANKING = [candidate(number) for number in range(7)]


class WinnerTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = workdir_lib.Workdir(root)
        self.latencies = {}
        self.calls = []
        self.enter_context(
            mock.patch.object(subprocess, "run", self._run_measure)
        )
        self.enter_context(
            mock.patch.object(runtimes, "machine", lambda: "a machine")
        )
        self.enter_context(
            mock.patch.object(runtimes, "version", lambda _: "onnxruntime 1")
        )

    def _winner(self, **setting) -> winner.Winner:
        return winner.Winner(
            self.workdir,
            "fast",
            latencies.setting(**setting),
            constraint.Range(maximum=2.1),
        )

    def _run_measure(self, command, **options):
        """In place of `measure`."""
        del options
        flags = dict(word[2:].split("=", 1) for word in command if "=" in word)
        self.calls.append(flags)
        architecture = latencies.Architecture.load(flags["architectures"])
        time = self.latencies.get(architecture)
        if time is None:
            return mock.Mock(returncode=1)
        found = measurements.Measurements(flags["output"])
        found.claim(
            latencies.setting(
                threads=int(flags["threads"]), clock=flags["clock"]
            )
        )
        found.append(
            architecture, measurements.Times(time, (time, time), time, 1)
        )
        return mock.Mock(returncode=0)

    def _measured(self) -> list[int]:
        """Ranks of the candidates that were measured."""
        path = self.workdir.search("fast").latency
        lines = path.read_text().splitlines()[1:]
        return [
            RANKED.index(
                latencies.Architecture.from_dict(
                    json.loads(line)["architecture"]
                )
            )
            for line in lines
        ]

    def test_the_most_accurate_that_keeps_the_bound_wins(self):
        times = (2.3, 2.2, 2.05, 1.0)
        self.latencies = dict(zip(RANKED, times, strict=False))
        found = self._winner(threads=2, clock="cpu")
        with self.assertLogs(winner.__name__) as caught:
            found.confirm(RANKING)
        self.assertEqual(found.choose(RANKING), RANKING[2])
        self.assertEqual(self._measured(), [0, 1, 2])
        self.assertEqual(
            [record.getMessage() for record in caught.records],
            [
                "candidate of 90.0%: predicted 2.00 ms, measured "
                "2.30 ms, which is not at most 2.1",
                "candidate of 80.0%: predicted 2.00 ms, measured "
                "2.20 ms, which is not at most 2.1",
                "candidate of 70.0%: predicted 2.00 ms, measured 2.05 ms",
            ],
        )
        flags = self.calls[0]
        self.assertEqual((flags["threads"], flags["clock"]), ("2", "cpu"))
        self.assertEqual(flags["workdir"], str(self.workdir.root))

    def test_a_search_that_goes_on_measures_nothing_twice(self):
        self.latencies = dict(zip(RANKED, (2.3, 1.0), strict=False))
        self._winner().confirm(RANKING)
        again = self._winner()
        self.assertEqual(again.choose(RANKING), RANKING[1])
        again.confirm(RANKING)
        self.assertLen(self.calls, 2)

    def test_if_the_first_do_not_keep_it_those_that_should_are_tried(self):
        # All take 1.5 times as long as predicted, and one twice as long.
        self.latencies = dict.fromkeys(RANKED, 3.0)
        fast = [
            dataclasses.replace(each, costs={"latency_ms": milliseconds})
            for each, milliseconds in zip(RANKING[5:], (1.5, 1.3), strict=True)
        ]
        self.latencies[RANKED[6]] = 2.0
        ranking = [*RANKING[:5], *fast]
        found = self._winner()
        found.confirm(ranking)
        # The one before would have 2.25 ms.
        self.assertEqual(self._measured(), [0, 1, 2, 3, 4, 6])
        self.assertEqual(found.choose(ranking), fast[1])
        self.assertEqual(self._winner().choose(ranking), fast[1])

    def test_if_none_keeps_it_the_most_accurate_is_kept_and_told(self):
        self.latencies = dict.fromkeys(RANKED, 3.0)
        fast = dataclasses.replace(RANKING[6], costs={"latency_ms": 1.0})
        for last, most, measured in ((fast, 6, 6), (RANKING[6], 10, 5)):
            with self.subTest(measured=measured):
                self.workdir.search("fast").latency.unlink(missing_ok=True)
                ranking = [*RANKING[:6], last]
                found = self._winner()
                with (
                    mock.patch.object(winner, "_MOST", most),
                    self.assertLogs(winner.__name__, "WARNING") as caught,
                ):
                    found.confirm(ranking)
                self.assertLen(self._measured(), measured)
                self.assertEqual(found.choose(ranking), ranking[0])
                self.assertIn(
                    f"none of the {measured} candidates",
                    caught.records[0].getMessage(),
                )

    def test_elsewhere_nothing_is_measured(self):
        for setting in ({"machine": "a phone"}, {"version": "onnxruntime 2"}):
            found = self._winner(**setting)
            with self.assertLogs(winner.__name__) as caught:
                found.confirm(RANKING)
            self.assertIn("is not measured here", caught.output[0])
            self.assertEqual(found.choose(RANKING), RANKING[0])
        self.assertEmpty(self.calls)

    def test_a_measurement_that_fails_loses_no_search(self):
        found = self._winner()
        with self.assertLogs(winner.__name__, "WARNING"):
            found.confirm(RANKING)
        self.assertEqual(found.choose(RANKING), RANKING[0])

    def test_what_was_measured_otherwise_is_refused(self):
        self.latencies = {RANKED[0]: 1.0}
        self._winner().confirm(RANKING)
        with self.assertRaisesRegex(
            errors.InputError, "threads 1, now it is 2"
        ):
            self._winner(threads=2)


if __name__ == "__main__":
    absltest.main()
