"""A search in a working folder: nothing that was evaluated is lost."""

import dataclasses
import functools
import json
import logging
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors, progress
from tf_autoformer.evaluation import accuracy, bits, generation, racing
from tf_autoformer.evolution import (
    algorithm,
    candidates,
    front,
    search_config,
    selection,
    session,
)
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost

CONFIG = algorithm.EvolutionConfig(
    population=5, generations=3, parents=3, crossovers=2, mutations=2
)
LATENCY = tiny.LATENCY


def _invented(
    evaluator: accuracy.Evaluator,
    architectures: Sequence[architecture_lib.Architecture],
    path: pathlib.Path | None = None,
    told: Callable[[float], None] = lambda share: None,
    tally: generation.Tally | None = None,
    race: racing.Race | None = None,
) -> dict[architecture_lib.Architecture, np.ndarray]:
    """Answers that need not be counted."""
    for number, _ in enumerate(architectures, 1):
        told(number / len(architectures))
    if tally is not None:
        tally.alone += 8 * len(architectures)
        tally.done += 6 * len(architectures)
    return {
        each: np.arange(97) < cost.params(tiny.DIGITS_MODEL, each) % 97
        for each in architectures
    }


_NOT_COUNTED = mock.patch.object(generation, "answers", _invented)


class SearchTest(tiny.WorkdirTest):
    def setUp(self):
        super().setUp()
        # Three batches for the 288 images.
        self.enter_context(mock.patch.object(accuracy, "BATCH_SIZE", 100))

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
        config: algorithm.EvolutionConfig = CONFIG,
        **options,
    ) -> session.Search:
        return session.Search(
            cls.workdir,
            name,
            config,
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
        _, supernet, dataset, split, *_ = made.call_args.args
        self.assertIs(supernet, search.supernet)
        self.assertEqual(split, "validation")
        self.assertEqual(dataset.num_examples(split), 288)

    # In the middle of the first generation, at its end and in the second. The
    # extremes are evaluated between these.
    @parameterized.parameters((2, 10), (3, 9), (8, 7))
    def test_killed_in_a_generation_it_loses_nothing(self, batches, left):
        whole = self._whole()
        name = f"killed_{batches}"
        right = accuracy.Evaluator.right
        calls = []

        def killed(evaluator, *arguments):
            if len(calls) == batches:
                raise KeyboardInterrupt
            calls.append(arguments)
            return right(evaluator, *arguments)

        with (
            mock.patch.object(accuracy.Evaluator, "right", killed),
            self.assertRaises(KeyboardInterrupt),
        ):
            list(self._search(name).run())
        folder = self.workdir.search(name)
        self.assertEqual(folder.partial.exists(), batches != 3)
        self.assertEqual(folder.candidates.exists(), batches >= 3)

        with mock.patch.object(
            accuracy.Evaluator, "right", autospec=True, side_effect=right
        ) as again:
            found = list(self._search(name).run())
        # Three batches of each of three generations and of the extremes.
        self.assertEqual(again.call_count, left)
        self.assertEqual(found[-1], whole[-1])
        self.assertFalse(folder.partial.exists())
        for file in ("candidates.jsonl", "best.json", "config.json"):
            self.assertEqual(
                (folder.root / file).read_bytes(),
                (self.workdir.search("whole").root / file).read_bytes(),
            )

    def test_a_race_is_resumed_to_the_byte_and_its_best_have_seen_all(self):
        # So that it stops some of so few.
        self.enter_context(mock.patch.object(racing, "CONFIDENCE", 0.0))
        config = dataclasses.replace(
            CONFIG, racing=True, parents=2, generations=2
        )
        *_, ranking = self._search("raced", config=config).run()
        lines = self._lines("raced")
        seen = [line.get("images", 288) for line in lines]
        self.assertLess(min(seen), 288)
        for line, images in zip(lines, seen, strict=True):
            right = bits.decode(line["right"], images)
            self.assertEqual(line["accuracy"], right.mean())
        self.assertEqual([c.images for c in ranking[:2]], [None] * 2)
        self.assertEqual(
            search_config.load_best(self.workdir.search("raced")),
            ranking[0].architecture,
        )

        right, calls = accuracy.Evaluator.right, []

        def killed(evaluator, *arguments):
            calls.append(arguments)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return right(evaluator, *arguments)

        with mock.patch.object(accuracy.Evaluator, "right", killed):
            with self.assertRaises(KeyboardInterrupt):
                list(self._search("race_killed", config=config).run())
            list(self._search("race_killed", config=config).run())
        self.assertEqual(
            *(
                self.workdir.search(name).candidates.read_bytes()
                for name in ("raced", "race_killed")
            )
        )

    @_NOT_COUNTED
    def test_a_generation_is_evaluated_at_once_but_for_what_is_known(self):
        *_, whole = self._search("at_once").run()
        self.assertLen(whole, 13)
        path = self.workdir.search("at_once").candidates
        lines = path.read_text().splitlines(keepends=True)
        # Of the second generation, lines 6 to 9, two are missing.
        path.write_text("".join([*lines[:5], lines[6], lines[8]]))
        calls = []

        def counted(evaluator, architectures, *arguments):
            calls.append([each.to_dict() for each in architectures])
            return _invented(evaluator, architectures, *arguments)

        with mock.patch.object(generation, "answers", counted):
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
            caught.records[-2].getMessage(),
        )

        # It is continued like any other, and its constraint is read back.
        *_, again = self._search(
            "timed", ranges, further_costs=(LATENCY,)
        ).run()
        self.assertEqual(again, ranking)
        limited = search_config.load_constraint(
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
            search_config.load_constraint(
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
        self.assertEqual(
            search_config.load_best(search.folder), ranking[2].architecture
        )
        search.settle(ranking[::-1])
        self.assertEqual(
            search_config.load_best(search.folder), ranking[-3].architecture
        )

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

    def test_a_supernet_whose_largest_subnet_is_worse_is_told_once(self):
        def broken(_, architectures, *arguments):
            return {
                each: np.arange(4) < (1 if each == tiny.SPACE.largest else 3)
                for each in architectures
            }

        with (
            mock.patch.object(generation, "answers", broken),
            self.assertLogs(session.__name__, "WARNING") as caught,
        ):
            rankings = list(self._search("broken").run())
        (record,) = caught.records
        self.assertIn(
            "largest subnet labels 25.0% of 288 validation images correctly, "
            "but the smallest has 75.0% and the median of 5 others is "
            "75.0%",
            record.getMessage(),
        )
        self.assertLen(rankings, 3)  # It goes on.

    @_NOT_COUNTED
    def test_a_search_for_a_front_writes_it_and_names_its_best(self):
        config = dataclasses.replace(
            CONFIG,
            driver="nsga2",
            objectives=("accuracy", "latency", "params"),
        )
        options = {"config": config, "further_costs": (LATENCY,)}
        folder = self.workdir.search("front")
        fronts, bests = [], []
        search = self._search("front", **options)
        with self.assertLogs(session.__name__) as caught:
            for ranking in search.run():
                fronts.append(json.loads(folder.front.read_text()))
                bests.append(json.loads(folder.best.read_text()))
                found = front.members(ranking, config.objectives)
                self.assertEqual(candidates.read_front(folder.front), found)
        *_, message, _ = (each.getMessage() for each in caught.records)
        self.assertIn(
            f"  front of {len(found)}, hypervolume "
            f"{search.front.hypervolume(ranking):.4f}",
            message,
        )
        self.assertLen(fronts, 3)
        self.assertGreater(len(found), 1)
        self.assertEqual(bests, [each[0]["architecture"] for each in fronts])
        for count in (1, 2, 99):
            self.assertEqual(
                search_config.load_found(folder, count),
                [c.architecture for c in front.spread(found, count)],
            )

        # It is continued like any other, and remembers its objectives.
        *_, again = self._search("front", **options).run()
        self.assertEqual(again, ranking)
        loaded = search_config.SearchConfig.load(folder).evolution
        self.assertEqual(dataclasses.replace(loaded, generations=3), config)

    @_NOT_COUNTED
    def test_coarse_to_fine_is_continued_to_the_byte(self):
        config = dataclasses.replace(CONFIG, driver="coarse_to_fine")
        for name, *generations in (("grid", 3), ("grid_in_parts", 1, 3)):
            for number in generations:
                part = dataclasses.replace(config, generations=number)
                list(self._search(name, config=part).run())
        lines = self._lines("grid")
        self.assertEqual(
            [line["origin"] for line in lines], ["coarse"] * 5 + ["fine"] * 8
        )
        self.assertEqual(self._lines("grid_in_parts"), lines)
        found = search_config.SearchConfig.load(self.workdir.search("grid"))
        self.assertEqual(found.evolution.driver, "coarse_to_fine")

    def test_other_searches_have_no_front_and_one_subnet_to_export(self):
        best = self._whole()[-1][0].architecture
        folder = self.workdir.search("whole")
        self.assertFalse(folder.front.exists())
        self.assertEqual(search_config.load_found(folder, 3), [best])
        self.assertEqual(
            search_config.load_found(self.workdir.search("none"), 3), []
        )

    def test_an_unknown_objective_is_refused_before_the_folder_is_made(self):
        config = dataclasses.replace(
            CONFIG, driver="nsga2", objectives=("accuracy", "latency")
        )
        with self.assertRaisesRegex(errors.InputError, "has 'latency'; it can"):
            self._search("unknown", config=config)
        self.assertFalse(self.workdir.search("unknown").root.exists())

    @_NOT_COUNTED
    def test_a_long_generation_tells_its_progress(self):
        with (
            mock.patch.object(progress, "_REPORT_SECONDS", -1),
            self.assertLogs(session.__name__) as caught,
        ):
            rankings = list(self._search("told").run())
        # An invented accuracy may warn of the supernet.
        messages = [
            record.getMessage()
            for record in caught.records
            if record.levelno == logging.INFO
        ]
        speed = r"  [\d.]+ candidates/s  ETA \d:\d\d:\d\d"
        expected = []
        for number, (size, ranking) in enumerate(
            zip((5, 9, 13), rankings, strict=True), 1
        ):
            before = 5 if number == 1 else 4
            expected += [
                rf"generation {number}, {done / before:.0%}{speed}  "
                rf"{size - before} candidates"
                for done in range(1, before + 1)
            ]
            mean = sum(selection.accuracies(ranking, number - 1)) / before
            best = re.escape(
                f"generation {number}/3  mean {mean:.1%}  best so far "
                f"{ranking[0].accuracy:.1%} with "
                f"{ranking[0].costs['params']:,} params  "
                "25% of block evaluations saved"
            )
            expected.append(rf"{best}({speed})?  {size} candidates")
        expected.append("25% of block evaluations saved in the whole search")
        self.assertLen(messages, len(expected))
        for message, pattern in zip(messages, expected, strict=True):
            self.assertRegex(message, f"^{pattern}$")


if __name__ == "__main__":
    absltest.main()
