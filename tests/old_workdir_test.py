"""A working folder of the first version goes on in every command.

`goldens/workdir_v1` was made by the program before config.json had a version:
20 of 72 steps of a training with a moving average, then a search of two
generations.
"""

import functools
import json
import pathlib
import re
import shutil
import tempfile
import unittest

import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands, processes

OLD = pathlib.Path(__file__).parent / "goldens" / "workdir_v1"
STEP, LAST_STEP = 20, 72
# Step -> mean loss since the step before, as the program of that time has it
# when it continues.
LOSSES = {26: 2.166, 52: 1.908, LAST_STEP: 1.746}
# The search's parameters, but for the generations.
SEARCH = (
    "--max_params=5000",
    "--population=6",
    "--parents=3",
    "--crossovers=3",
    "--mutations=3",
)


@functools.cache
def _folder() -> pathlib.Path:
    """The folder of all tests, which share the prepared data set."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


def _candidates(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "search" / "default" / "candidates.jsonl"


def _best(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "search" / "default" / "best.json"


class OldWorkdirTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = shutil.copytree(OLD, _folder() / self._testMethodName)

    def start_binary(self, binary: str, *arguments: str) -> processes.Result:
        return processes.run(
            binary,
            f"--workdir={self.workdir}",
            f"--data_dir={_folder() / 'data'}",
            *arguments,
        )

    def run_binary(self, binary: str, *arguments: str) -> processes.Result:
        result = self.start_binary(binary, *arguments)
        self.assertEqual(result.code, 0, result.err)
        return result

    def check_untouched(self, *names: str) -> None:
        for name in names:
            self.assertEqual(
                (self.workdir / name).read_bytes(), (OLD / name).read_bytes()
            )

    def check_is_exported(self, folder: pathlib.Path) -> None:
        signatures = tf.saved_model.load(str(folder)).signatures
        answer = signatures["serving_default"](images=tf.zeros([2, 8, 8, 3]))
        self.assertEqual(answer["logits"].shape, [2, 10])

    def test_it_has_the_first_versions_form(self):
        config = json.loads((OLD / "config.json").read_text())
        self.assertNotIn("version", config)
        self.assertEqual(commands.saved_step(OLD), STEP)

    def test_training_continues_to_its_end(self):
        result = self.run_binary(
            "train", "--log_every=26", "--watched_subnets=0"
        )

        self.assertIn(f"continuing at step {STEP} of {LAST_STEP}", result.err)
        self.assertEqual(commands.saved_step(self.workdir), LAST_STEP)
        losses = {
            int(step): float(loss)
            for step, loss in re.findall(
                rf"step (\d+)/{LAST_STEP}  loss ([\d.]+)", result.err
            )
        }
        self.assertEqual(losses.keys(), LOSSES.keys())
        for step, loss in losses.items():
            self.assertAlmostEqual(loss, LOSSES[step], delta=0.01)
        self.check_untouched("config.json", "splits.json")

    def test_another_recipe_is_still_refused(self):
        result = self.start_binary("train", "--seed=1")

        self.assertEqual(result.code, 1)
        self.assertRegex(result.err, "training.seed 0, now it is 1")
        self.check_untouched("config.json", "splits.json")

    def test_the_search_continues_and_keeps_its_candidates(self):
        known = _candidates(OLD).read_bytes()
        number = len(known.splitlines())

        result = self.run_binary("search", *SEARCH, "--generations=4")

        self.assertIn(f"{number} candidates known", result.err)
        found = _candidates(self.workdir).read_bytes()
        self.assertStartsWith(found, known)
        candidates = [json.loads(line) for line in found.splitlines()]
        self.assertEqual(
            [candidate["generation"] for candidate in candidates],
            [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6,
        )
        best = json.loads(_best(self.workdir).read_text())
        highest = max(candidate["accuracy"] for candidate in candidates)
        self.assertIn(
            best,
            [c["architecture"] for c in candidates if c["accuracy"] == highest],
        )
        self.check_is_exported(self.workdir / "export" / "1")
        self.check_untouched(
            "config.json", "splits.json", "search/default/config.json"
        )

    def test_a_subnet_is_exported_reported_and_evaluated(self):
        export = self.workdir / "export" / "1"
        self.run_binary(
            "export", f"--architecture={_best(OLD)}", f"--export_dir={export}"
        )
        self.check_is_exported(export)

        report = self.run_binary("report").out
        for row in ("found by the search", "smallest", "largest", "best of 12"):
            self.assertRegex(report, rf"(?m)^{row}.* [\d.]+% +[\d.]+%$")
        self.assertRegex(report, r"export/1 on the test split: [\d.]+%")

        evaluated = self.run_binary(
            "evaluate", f"--architecture={_best(OLD)}", "--split=validation"
        ).out
        best = json.loads(_best(OLD).read_text())
        (candidate,) = (
            candidate
            for line in _candidates(OLD).read_text().splitlines()
            if (candidate := json.loads(line))["architecture"] == best
        )
        # As the program of that time found it, but for rounding: the weights
        # are those of the average.
        accuracy = float(re.search(r"(?m)^top-1 +([\d.]+)%$", evaluated)[1])
        self.assertAlmostEqual(
            accuracy / 100, candidate["accuracy"], delta=1.5 / 288
        )
        self.check_untouched("config.json", "splits.json")


if __name__ == "__main__":
    absltest.main()
