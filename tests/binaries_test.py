"""The binaries as users run them: one after the other, killed, and run again.

A tiny supernet of the digits takes seconds; what it learns does not matter.
"""

import functools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands, processes, shared
from tf_autoformer.analysis import report
from tf_autoformer.evolution import search_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import savedmodel

CANDIDATES = 14


def _start(
    binary: str, workdir: pathlib.Path, *arguments: str
) -> processes.Process:
    """Starts a binary; `arguments` are those besides the folders'."""
    folders = [f"--workdir={workdir}"]
    if binary not in ("export", "describe"):
        folders.append(f"--data_dir={shared.digits()}")
    return processes.start(binary, *arguments, *folders)


def _run(
    binary: str, workdir: pathlib.Path, *arguments: str
) -> tuple[str, str]:
    """Runs a binary to its end, and returns what it printed."""
    return commands.finish(_start(binary, workdir, *arguments))


@functools.cache
def _folder() -> pathlib.Path:
    """The folder of all tests."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


def _copy(workdir: pathlib.Path, name: str) -> pathlib.Path:
    """A copy of a working folder, to be changed."""
    return shutil.copytree(workdir, _folder() / name)


def _contents(folder: pathlib.Path) -> Mapping[str, bytes]:
    """Path -> bytes of every file but TensorBoard's."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "tensorboard" not in path.parts
    }


def _candidates(search: pathlib.Path) -> list[dict]:
    lines = (search / "candidates.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


class BinariesTest(absltest.TestCase):
    def check_same(self, folder: pathlib.Path, other: pathlib.Path) -> None:
        different = _contents(folder).items() ^ _contents(other).items()
        self.assertEmpty({name for name, _ in different})

    def check_scalars(self, events, tags: set[str], steps: list[int]) -> None:
        for tag in tags:
            self.assertIn(tag, events)
            self.assertEqual([event.step for event in events[tag]], steps, tag)
            values = [tf.make_ndarray(e.tensor_proto) for e in events[tag]]
            self.assertTrue(np.all(np.isfinite(values)), tag)

    def check_images(self, events, tags: set[str], steps: list[int]) -> None:
        for tag in tags:
            self.assertIn(tag, events)
            self.assertEqual([event.step for event in events[tag]], steps, tag)
            for event in events[tag]:
                *_, png = event.tensor_proto.string_val
                pixels = tf.io.decode_png(png).numpy()
                self.assertGreater(np.ptp(pixels), 100, tag)  # Not blank.


class TrainTest(BinariesTest):
    def test_training_leaves_configuration_checkpoints_and_curves(self):
        workdir = shared.trained()
        config = json.loads((workdir / "config.json").read_text())
        self.assertEqual(config["dataset"], "digits")
        self.assertEqual(config["training"]["epochs"], 0.5)
        self.assertTrue(
            tf.train.latest_checkpoint(workdir / "checkpoints").endswith(
                f"-{shared.STEPS}"
            )
        )
        events = commands.events(workdir / "tensorboard" / "train")
        names = ("loss", "learning_rate", "gradient_norm", "images_per_second")
        tags = {f"training/{name}" for name in names}
        self.check_scalars(events, tags, [3, 6, shared.STEPS])
        names = ("smallest", "largest", "random_0")
        tags = {f"validation_accuracy/{name}" for name in names}
        self.check_scalars(events, tags, [shared.STEPS])
        self.check_images(events, {"augmented_images"}, [1])

    def test_run_again_after_its_end_it_does_nothing(self):
        workdir = _copy(shared.trained(), "trained_again")
        _, err = _run("train", workdir, *shared.TRAIN)
        self.assertIn(f"trained already: {shared.STEPS} steps", err)
        self.assertNotIn("loss", err)
        self.check_same(workdir, shared.trained())


class SearchTest(BinariesTest):
    def test_search_leaves_candidates_best_pictures_and_export(self):
        search = shared.searched() / "search" / "default"
        candidates = _candidates(search)
        generations = [candidate["generation"] for candidate in candidates]
        self.assertEqual(generations, [0] * 6 + [1] * 4 + [2] * 4)
        for candidate in candidates:
            self.assertLessEqual(candidate["params"], shared.MAX_PARAMS)
        best = json.loads((search / "best.json").read_text())
        highest = max(candidate["accuracy"] for candidate in candidates)
        self.assertIn(
            best,
            [c["architecture"] for c in candidates if c["accuracy"] == highest],
        )
        pictures = {"candidates", "progress", "architecture"}
        for picture in pictures:
            self.assertTrue((search / f"{picture}.png").is_file())

        export = shared.searched() / "export" / "1"
        for file in ("saved_model.pb", "variables/variables.index"):
            self.assertTrue((export / file).is_file(), file)
        extra = export / "assets.extra"
        self.assertTrue((extra / "tf_serving_warmup_requests").is_file())
        exported = json.loads((extra / "architecture.json").read_text())
        self.assertEqual(exported, best)

        events = commands.events(
            shared.searched() / "tensorboard" / "search_default"
        )
        tags = {"search/best_accuracy", "search/mean_accuracy"}
        self.check_scalars(events, tags, [0, 1, 2])
        self.check_images(events, pictures, [0, 1, 2])

    def test_run_again_after_its_end_it_changes_nothing(self):
        workdir = _copy(shared.searched(), "searched_again")
        _run("search", workdir, *shared.SEARCH)
        self.check_same(workdir, shared.searched())

    def test_killed_it_continues_and_finds_the_same_candidates(self):
        workdir = _copy(shared.trained(), "killed_search")
        search = workdir / "search" / "default"

        def in_second_generation() -> bool:
            path = search / "candidates.jsonl"
            return path.exists() and path.read_text().count("\n") >= 8

        process = _start("search", workdir, *shared.SEARCH)
        commands.kill_when(process, in_second_generation)
        done = len(_candidates(search))
        self.assertBetween(done, 8, CANDIDATES - 1)
        self.assertFalse((workdir / "export").exists())

        _, err = _run("search", workdir, *shared.SEARCH)
        self.assertIn(f"{done} candidates known", err)
        uninterrupted = shared.searched() / "search" / "default"
        self.assertEqual(_candidates(search), _candidates(uninterrupted))
        self.assertEqual(
            (search / "best.json").read_text(),
            (uninterrupted / "best.json").read_text(),
        )
        self.assertTrue((workdir / "export" / "1" / "saved_model.pb").is_file())

    def test_killed_while_it_repeats_itself_it_keeps_the_best(self):
        workdir = _copy(shared.searched(), "killed_repetition")
        search = workdir / "search" / "default"
        # The best is of the last generation, and no earlier one is as good.
        *others, last = _candidates(search)
        last["accuracy"] = 1.0
        lines = [json.dumps(candidate) + "\n" for candidate in (*others, last)]
        (search / "candidates.jsonl").write_text("".join(lines))
        (search / "best.json").write_text(json.dumps(last["architecture"]))
        shutil.rmtree(workdir / "export")

        process = _start("search", workdir, *shared.SEARCH)
        for line in process.stderr:
            if "generation" in line:  # It has repeated one, or more.
                process.kill()
        process.communicate()
        best = json.loads((search / "best.json").read_text())
        self.assertEqual(best, last["architecture"])


class AfterSearchTest(BinariesTest):
    def test_report_compares_the_subnet_found_and_asks_its_export(self):
        workdir = _copy(shared.searched(), "reported")
        out, _ = _run("report", workdir)
        for row in ("found by the search", "smallest", "largest", "best of 14"):
            self.assertRegex(out, rf"(?m)^{row}.* [\d.]+% +[\d.]+%$")
        self.assertRegex(out, r"export/1 on the test split: [\d.]+%")
        self.assertRegex(out, r"(?m)^  \d -> \d \(\d+%\)$")
        picture = workdir / "search" / "default" / "predictions.png"
        self.assertTrue(picture.is_file())
        page = picture.with_name("report.html")
        for path in (picture, page, picture.with_name("best.json")):
            self.assertIn(str(path), out)
        for figure in re.findall(r"[\d.]+%", out):
            self.assertIn(figure, page.read_text())

    def test_report_asks_an_export_of_another_size_at_its_size(self):
        workdir = workdir_lib.Workdir(_copy(shared.searched(), "resized"))
        folder = workdir.export(2)
        trained = workdir.trained(tf.distribute.get_strategy())
        best = search_config.load_best(workdir.search("default"))
        savedmodel.export(
            trained.supernet, best, trained.source, folder, (12, 16)
        )
        lines = report.Report(
            workdir, "default", folder, str(shared.digits())
        ).lines()
        self.assertRegex(
            "\n".join(lines), r"export/2 on the test split: [\d.]+%"
        )

    def test_any_architecture_of_the_space_can_be_exported(self):
        architecture = {
            "embed_dim": 32,
            "depth": 2,
            "num_heads": [1, 2],
            "mlp_ratio": [2.0, 0.5],
        }
        path = _folder() / "architecture.json"
        path.write_text(json.dumps(architecture))
        export = _folder() / "models" / "7"
        _run(
            "export",
            shared.trained(),
            f"--architecture={path}",
            f"--export_dir={export}",
        )
        model = tf.saved_model.load(export)
        outputs = model.signatures["serving_default"](tf.zeros([2, 8, 8, 3]))
        self.assertEqual(outputs["logits"].shape, [2, 10])
        exported = export / "assets.extra" / "architecture.json"
        self.assertEqual(json.loads(exported.read_text()), architecture)

    def test_evaluate_finds_the_accuracy_that_the_search_found(self):
        search = shared.searched() / "search" / "default"
        best = json.loads((search / "best.json").read_text())
        (candidate,) = (
            candidate
            for candidate in _candidates(search)
            if candidate["architecture"] == best
        )
        before = _contents(shared.searched())
        out, err = _run(
            "evaluate",
            shared.searched(),
            f"--architecture={search / 'best.json'}",
            "--split=validation",
        )
        self.assertEqual(
            out.splitlines()[0],
            "digits, validation split: 288 images at 8x8; "
            f"{candidate['params']:,} params, {candidate['macs']:,} MACs",
        )
        # Half an image is how far rounding may go.
        found = float(re.search(r"(?m)^top-1 +([\d.]+)%$", out)[1]) / 100
        self.assertAlmostEqual(found, candidate["accuracy"], delta=0.5 / 288)
        for figure in (r"top-5 +[\d.]+%", r"loss +[\d.]+", r"images/s +[\d,]+"):
            self.assertRegex(out, f"(?m)^{figure}$")
        self.assertEmpty(err)
        self.assertEqual(_contents(shared.searched()), before)

    def test_evaluate_takes_images_of_another_size(self):
        best = shared.searched() / "search" / "default" / "best.json"
        out, _ = _run(
            "evaluate",
            shared.searched(),
            f"--architecture={best}",
            "--image_size=12x16",
        )
        self.assertStartsWith(out, "digits, test split: 360 images at 12x16; ")
        self.assertRegex(out, r"(?m)^top-1 +[\d.]+%$")

    def test_describe_tells_what_the_search_counted_and_draws(self):
        search = shared.searched() / "search" / "default"
        candidate, *_ = _candidates(search)
        path = _folder() / "candidate.json"
        path.write_text(json.dumps(candidate["architecture"]))
        picture = _folder() / "pictures" / "candidate.png"
        out, err = _run(
            "describe",
            shared.searched(),
            f"--architecture={path}",
            f"--picture={picture}",
        )
        for name, cost in (("parameters", "params"), ("MACs", "macs")):
            self.assertRegex(out, rf"(?m)^{name} +{candidate[cost]:,}$")
        self.assertIn(f"picture: {picture}", out)
        self.assertEmpty(err)
        pixels = tf.io.decode_png(picture.read_bytes()).numpy()
        self.assertGreater(np.ptp(pixels), 100)  # Not blank.

    def test_a_reader_that_has_enough_is_no_error(self):
        process = subprocess.run(
            f"{sys.executable} -m tf_autoformer.describe "
            "--architecture=autoformer_s | true; exit ${PIPESTATUS[0]}",
            shell=True,
            executable="/bin/bash",
            cwd=commands.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((process.returncode, process.stderr), (0, ""))


if __name__ == "__main__":
    absltest.main()
