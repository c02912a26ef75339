"""The benchmark on a GPU, with sides whose times are made up."""

import contextlib
from typing import Any
from unittest import mock

from absl.testing import absltest

from benchmarks import comparison, on_gpu, table

SUBJECT = comparison.Subject(
    "small", "bfloat16", batch_size=2, rounds=2, steps=3, seed=0, device="gpu"
)
SECONDS = {"train": 0.2, "forward": 0.1, "update": 0.02, "peak": 0.1}


class Side:
    """A side whose every call takes `factor` times as long.

    Attributes:
      asked: Case and arguments of every call.
    """

    def __init__(self, factor: float):
        self._factor = factor
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, case: str, **arguments: Any) -> list[Any]:
        self.asked.append((case, arguments))
        if case == "memory":
            return [2**30 * self._factor]
        if case == "prepare":
            return []
        if case == "describe":
            return [f"side {self._factor}"]
        count = arguments.get("count") or len(arguments["architectures"])
        return [SECONDS[case] * self._factor] * count

    def asked_for(self, case: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.asked if name == case]


class OnGpuTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.enter_context(mock.patch("time.sleep"))
        self.ours, self.official = Side(1), Side(4)
        self.caches: list[str] = []
        self.rows: dict[str, table.Row] = {}

    def _measure(self, *cases: str, subject=SUBJECT) -> str:
        def ours(subject, compile_cache=""):
            self.caches.append(compile_cache)
            return contextlib.nullcontext(self.ours)

        def official(subject):
            return contextlib.nullcontext(self.official)

        referee = comparison.Referee(on_gpu.turns(cases, subject.rounds))
        with (
            mock.patch.object(comparison.Subject, "ours", ours),
            mock.patch.object(comparison.Subject, "official", official),
            mock.patch.object(
                referee, "end_round", wraps=referee.end_round
            ) as rounds,
        ):
            machine = on_gpu.measure(
                subject,
                cases,
                referee,
                lambda row: self.rows.update({row.case: row}),
            )
        self.assertEqual(rounds.call_count, on_gpu.turns(cases, subject.rounds))
        return machine

    def test_each_case_is_a_row_with_its_targets(self):
        self.assertEqual(self._measure(*on_gpu.CASES), "side 1, side 4")
        self.assertEqual(
            list(self.rows),
            [
                *("train", "forward", "update", "memory"),
                *("first_step", "first_step, cached"),
            ],
        )
        self.assertEqual(
            {
                case: (row.ratio, row.ours, row.other)
                for case, row in self.rows.items()
                if not case.startswith("first_step")
            },
            {
                "train": ("4.00×", "200.0 ms", "800.0 ms"),
                "forward": ("4.00×", "100.0 ms", "400.0 ms"),
                "update": (*("4.00×", "20.0 ms, 10.0% of a step", "80.0 ms"),),
                "memory": ("0.25×", "1.0 GiB", "4.0 GiB"),
            },
        )
        self.assertEqual(
            {case: row.targets for case, row in self.rows.items()},
            {
                # A product of 8192³ in 0.1 s is 11 TFLOP/s.
                "train": [("≥ 3×", True), ("share ≥ 20%", False)],
                "forward": [("≥ 3×", True)],
                "update": [("≤ 5% of a step", False)],
                "memory": [("≤ 1×", True)],
                "first_step": [("ours ≤ 60 s", True)],
                "first_step, cached": [("ours ≤ 20 s", True)],
            },
        )
        share, other = self.rows["train"].shares
        self.assertAlmostEqual(share, 4 * other)

    def test_both_sides_run_the_same_architectures(self):
        self._measure("train", "forward")
        for case in ("train", "forward"):
            self.assertEqual(
                self.ours.asked_for(case), self.official.asked_for(case)
            )
        timed = self.ours.asked_for("train")[-SUBJECT.rounds :]
        self.assertTrue(all(request["together"] for request in timed))
        architectures = sum((each["architectures"] for each in timed), [])
        self.assertLen(architectures, SUBJECT.rounds * SUBJECT.steps)
        self.assertEqual({a["embed_dim"] for a in architectures}, {448})
        self.assertGreater(len({str(a) for a in architectures}), 1)

    def test_all_sizes_come_before_what_is_timed(self):
        self._measure("train")
        *before, first, second = self.ours.asked_for("train")
        paths = sum((each["architectures"] for each in before), [])

        def sizes(paths):
            return (
                {path["depth"] for path in paths},
                set(sum((path["num_heads"] for path in paths), [])),
                set(sum((path["mlp_ratio"] for path in paths), [])),
            )

        timed = sizes([*first["architectures"], *second["architectures"]])
        for known, needed in zip(sizes(paths), timed, strict=True):
            self.assertContainsSubset(needed, known)

    def test_the_first_step_has_what_a_training_does_before_it(self):
        self._measure("first_step")
        for side in (self.ours, self.official):
            self.assertEqual(side.asked[0][0], "prepare")

    def test_only_what_is_asked_for_is_measured(self):
        self._measure("memory")
        self.assertEqual(list(self.rows), ["memory"])
        self.assertEmpty(self.ours.asked_for("forward"))
        self.assertLen(self.caches, 1)

    def test_the_second_start_finds_the_programs_of_the_first(self):
        self._measure("first_step")
        self.assertLen(self.caches, 2)
        self.assertLen(set(self.caches), 1)
        self.assertTrue(self.caches[0])


if __name__ == "__main__":
    absltest.main()
