"""The report's table, also with a cost of run time."""

import contextlib
import functools
import itertools
import shutil
from collections.abc import Iterator
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.analysis import report
from tf_autoformer.evaluation import accuracy, generation, health
from tf_autoformer.evolution import (
    algorithm,
    candidates,
    search_config,
    selection,
    session,
)
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import savedmodel
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost, sampling

CONFIG = algorithm.EvolutionConfig(population=5, generations=1)
LATENCY = tiny.LATENCY


@contextlib.contextmanager
def _not_counted() -> Iterator[None]:
    """Spares a test, which proves nothing of them, the accuracies' counting."""

    def answers(evaluator, architectures, *_):
        return {each: np.array([True, False]) for each in architectures}

    with mock.patch.object(generation, "answers", answers):
        yield


class ReportTest(tiny.WorkdirTest):
    @classmethod
    @functools.cache
    def _plain(cls):
        return cls._search("plain", {})

    @classmethod
    def _search(cls, name, ranges, *further):
        """The architecture that a search finds, and its export's folder."""
        search = session.Search(
            cls.workdir,
            name,
            CONFIG,
            ranges,
            cls.data_dir,
            tf.distribute.get_strategy(),
            further_costs=further,
        )
        list(search.run())
        export = cls.workdir.root / "export" / name
        best = search_config.load_best(search.folder)
        savedmodel.export(cls.supernet, best, search.source, export)
        return best, export

    @classmethod
    @functools.cache
    def _evaluators(cls) -> list[accuracy.Evaluator]:
        """Those of the validation and of the test split."""
        strategy = tf.distribute.get_strategy()
        return [
            accuracy.Evaluator(strategy, cls.supernet, cls.dataset, split)
            for split in ("validation", "test")
        ]

    def _figures(self, architecture) -> str:
        """The row's end: accuracies with inherited weights."""
        found = [each.accuracy(architecture) for each in self._evaluators()]
        return f"{found[0]:>12.1%}{found[1]:>8.1%}"

    def test_the_table_has_params_and_macs(self):
        found, export = self._plain()
        lines = report.Report(
            self.workdir, "plain", export, self.data_dir
        ).lines()
        _, heading, *rows = (next(lines) for _ in range(6))
        self.assertEqual(
            heading,
            "subnet                        params        MACs  validation    "
            "test",
        )
        for row, name, subnet in zip(
            rows,
            ("found by the search", "smallest", "largest"),
            (found, tiny.SPACE.smallest, tiny.SPACE.largest),
            strict=False,
        ):
            params, macs = (
                cost.params(tiny.DIGITS_MODEL, subnet),
                cost.macs(tiny.DIGITS_MODEL, subnet),
            )
            self.assertEqual(
                row,
                f"{name:26}{params:>10,}{macs:>12,}{self._figures(subnet)}",
            )
        self.assertStartsWith(rows[3], "best of 5 random ones  ")
        # It is the best on validation.
        *_, validation, test = rows[3].split()
        self.assertEndsWith(next(lines), f" to {validation} on validation")
        self.assertNotEqual(validation, test)

    def test_a_cost_of_run_time_has_a_column_and_bounds_the_random_ones(self):
        # Two blocks at width 8 have 2.5 ms, and nothing else has.
        ranges = {"latency": constraint.Range(2.4, 2.6)}
        self.enter_context(_not_counted())
        found, export = self._search("timed", ranges, LATENCY)
        self.assertEqual((found.depth, found.embed_dim), (2, 8))
        lines = report.Report(
            self.workdir,
            "timed",
            export,
            self.data_dir,
            further_costs=(LATENCY,),
            measured={found: 2.75},
        ).lines()
        _, heading, *rows, remark, measurement = (next(lines) for _ in range(8))
        self.assertEqual(
            heading.split(),
            ["subnet", "params", "MACs", "ms", "validation", "test"],
        )
        for row, latency in zip(
            rows, ("2.50", "1.50", "3.00", "2.50"), strict=True
        ):
            self.assertLen(row, len(heading))
            self.assertEqual(row.split()[-3], latency)
        self.assertIn("constraint (latency 2.4 to 2.6), range from", remark)
        self.assertEqual(
            measurement,
            "the subnet found has 2.75 ms when it is measured, which is not "
            "2.4 to 2.6",
        )

        with self.assertRaisesRegex(
            errors.InputError, "the constraint bounds latency"
        ):
            report.Report(self.workdir, "timed", export, self.data_dir)

    def _rows_if_draws_fail_after(self, allowed: int) -> list[str]:
        """The table's rows and remark for a search that could draw more."""
        _, export = self._plain()
        lines = report.Report(
            self.workdir, "plain", export, self.data_dir
        ).lines()
        draws = []

        def sample(limit, rng):
            draws.append(sampling.uniform(limit.space, rng))
            if len(draws) > allowed:
                raise errors.InputError("no architecture found")
            return draws[-1]

        with (
            mock.patch.object(constraint.Constraint, "sample", sample),
            _not_counted(),
        ):
            return list(itertools.takewhile(bool, lines))[2:]

    def test_a_budget_that_most_draws_miss_has_fewer_random_ones(self):
        *_, row, remark = self._rows_if_draws_fail_after(2)

        self.assertStartsWith(row, "best of 2 random ones  ")
        self.assertStartsWith(
            remark,
            "the random ones, as many as were found instead of the search's 5 "
            "and under the same constraint (none), range from ",
        )

    def test_a_budget_that_all_draws_miss_has_no_random_ones(self):
        *rows, remark = self._rows_if_draws_fail_after(0)

        self.assertLen(rows, 3)
        self.assertEqual(
            remark, "no random ones were found under the same constraint (none)"
        )

    def test_the_page_has_the_texts_and_commands_for_the_best(self):
        _, export = self._plain()
        lines = report.Report(
            self.workdir, "plain", export, self.data_dir
        ).lines()
        with (
            mock.patch.object(health, "warning", return_value="Not well."),
            _not_counted(),
        ):
            text = "\n".join(lines)
        folder = self.workdir.search("plain")
        self.assertIn(str(folder.report), text)
        self.assertIn("\nwarning: Not well.\n", text)
        page = folder.report.read_text()
        for shown in (
            *("Not well.", "50.0%", "digits: 288 validation and 360 test"),
            *("weights of training step 0", "<dd>5</dd>"),
            *("population 5, parents 10, ", str(self.workdir.root)),
        ):
            self.assertIn(shown, page)
        best = candidates.CandidateFile(folder.candidates).known.values()
        for rank, candidate in enumerate(selection.ranked([*best]), 1):
            path = folder.top(rank)
            self.assertEqual(
                architecture_lib.Architecture.load(path), candidate.architecture
            )
            self.assertIn(f"--architecture={path}", page)

    def test_an_image_above_the_exports_own_limit_is_told(self):
        _, export = self._plain()
        large = tf.constant(b"GIF89a" + b"\xff\xff" * 2 + bytes(20))
        answers = report.Report(self.workdir, "plain", export, self.data_dir)
        answer, reason = answers._answer(large)
        self.assertEqual(answer, "refused")
        self.assertStartsWith(reason, "larger than the limit of 89478485 ")

    def test_a_search_of_earlier_weights_is_refused(self):
        self._plain()
        root = self.workdir.root.with_name("trained_on")
        workdir = workdir_lib.Workdir(shutil.copytree(self.workdir.root, root))
        tf.train.CheckpointManager(
            tf.train.Checkpoint(supernet=self.supernet),
            str(workdir.checkpoints),
            max_to_keep=1,
        ).save(7)
        refused = (
            "search/plain/config.json was made with the weights of step 0, "
            "now they are those of step 7; search again with another --name "
            "and --version$"
        )

        with self.assertRaisesRegex(errors.InputError, refused):
            report.Report(
                workdir, "plain", root / "export" / "plain", self.data_dir
            )
        with self.assertRaisesRegex(errors.InputError, refused):
            session.Search(
                workdir,
                "plain",
                CONFIG,
                {},
                self.data_dir,
                tf.distribute.get_strategy(),
            )


if __name__ == "__main__":
    absltest.main()
