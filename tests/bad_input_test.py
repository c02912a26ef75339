"""A mistake gets one clear line, and leaves no half-written file behind."""

import json
import os
import pathlib
import shutil
from collections.abc import Mapping

from absl.testing import absltest
from PIL import Image

from tests.helpers import commands, processes, shared

ROOT = pathlib.Path(__file__).parent.parent
DIGITS = f"--flagfile={ROOT / 'flags' / 'digits' / 'supernet.flags'}"
# One step of a small supernet.
ONE_STEP = (
    DIGITS,
    f"--search_space={commands.TINY_SPACE}",
    "--epochs=0.05",
    "--warmup_epochs=0",
    "--watched_subnets=0",
)
SMALLEST = {
    "embed_dim": 16,
    "depth": 2,
    "num_heads": [1, 1],
    "mlp_ratio": [0.5, 0.5],
}


class TrainedTest(processes.MistakeTest):
    """Has a copy of the trained and searched working folder."""

    def check_unchanged(self, before: Mapping[str, str]) -> None:
        changed = before.items() ^ processes.contents(self.path).items()
        self.assertEmpty({name for name, _ in changed})

    def setUp(self):
        super().setUp()
        self.path = self.folder / "workdir"
        shutil.copytree(shared.searched(), self.path)
        self.workdir = f"--workdir={self.path}"
        self.data = f"--data_dir={shared.digits()}"

    def run_export(
        self, architecture: str, *arguments: str, **limits: int
    ) -> processes.Result:
        """Exports the architecture of a JSON text to `new`."""
        path = self.folder / "architecture.json"
        path.write_text(architecture)
        return processes.run(
            "export",
            self.workdir,
            f"--architecture={path}",
            f"--export_dir={self.new}",
            *arguments,
            **limits,
        )

    def run_evaluate(self, *arguments: str) -> processes.Result:
        path = self.folder / "smallest.json"
        path.write_text(json.dumps(SMALLEST))
        return processes.run(
            "evaluate",
            self.workdir,
            self.data,
            f"--architecture={path}",
            *arguments,
        )

    def run_train(self) -> processes.Result:
        return processes.run("train", *shared.TRAIN, self.workdir, self.data)

    def run_search(self, *arguments: str, **limits: int) -> processes.Result:
        return processes.run(
            "search", self.workdir, self.data, *arguments, **limits
        )

    def run_report(self) -> processes.Result:
        return processes.run("report", self.workdir, self.data)


class WorkdirTest(TrainedTest):
    def test_a_diverged_training_keeps_no_bad_checkpoint(self):
        result = processes.run(
            "train",
            DIGITS,
            "--epochs=0.17",  # Three steps; the first ruins the weights.
            "--warmup_epochs=0",
            "--learning_rate=1e9",
            "--checkpoint_every=2",
            f"--workdir={self.new}",
            self.data,
        )
        self.check_mistake(result, "loss is .*learning_rate")
        self.assertEmpty(list(self.new.rglob("*.index")))

    def test_another_configuration_is_refused_by_field_and_both_values(self):
        before = processes.contents(self.path)
        result = processes.run(
            "train", *shared.TRAIN, self.workdir, self.data, "--batch_size=32"
        )
        self.check_mistake(result, r"training\.batch_size 64, now it is 32")
        result = self.run_search(*shared.SEARCH, "--population=7")
        self.check_mistake(result, r"evolution\.population 6, now it is 7")
        self.check_unchanged(before)

    def test_a_search_on_other_images_is_refused_and_makes_no_folder(self):
        path = self.path / "data.json"
        path.write_text(path.read_text().replace('digest": "', 'digest": "0'))
        before = processes.contents(self.path)
        result = self.run_search("--name=other", "--version=2")
        self.check_mistake(result, "data.json: the train split has changed")
        for result in (
            self.run_evaluate(),
            self.run_report(),
            self.run_train(),
        ):
            self.check_mistake(result, "data.json: the .* split has changed")
        self.check_unchanged(before)

    def test_an_unreachable_constraint_says_what_can_be_reached(self):
        before = processes.contents(self.path)
        for arguments in (["--max_params=100"], ["--min_params=1e9"]):
            result = self.run_search("--name=other", "--version=2", *arguments)
            self.check_mistake(result, r"reaches from [\d,]+ to [\d,]+ params")
        self.check_unchanged(before)

    def test_an_existing_export_is_refused_before_the_search_starts(self):
        before = processes.contents(self.path)
        result = self.run_search("--name=other")
        self.check_mistake(result, "export/1 exists already")
        self.check_unchanged(before)

    def test_an_export_that_is_no_longer_the_best_does_not_pass_for_it(self):
        folder = self.path / "search" / "default"
        lines = (folder / "candidates.jsonl").read_text().splitlines()
        worst = [json.loads(line) | {"accuracy": 0.0} for line in lines]
        (folder / "candidates.jsonl").write_text(
            "".join(json.dumps(candidate) + "\n" for candidate in worst)
        )
        # More generations find a better one.
        result = self.run_search(*shared.SEARCH, "--generations=4")
        best = json.loads((folder / "best.json").read_text())
        self.assertNotIn(best, [c["architecture"] for c in worst])
        self.check_mistake(result, "export/1 exists already")

    def test_a_bad_architecture_is_told_by_field_layer_value_and_choices(self):
        def changed(**fields) -> str:
            return json.dumps(SMALLEST | fields)

        for text, pattern in (
            ("{", "architecture.json is not JSON"),
            ("[1]", "fields embed_dim, depth.* found list"),
            (
                json.dumps({"embed_dim": 16, "depth": 2}),
                "fields embed_dim, depth, .*; missing num_heads, mlp_ratio",
            ),
            (changed(extra=1), "unknown extra"),
            (changed(embed_dim="16"), "embed_dim is '16'.* whole number"),
            (changed(num_heads=1), "num_heads is 1.* a list"),
            (changed(depth=3), "num_heads has 2 entries for depth 3"),
            (
                changed(embed_dim=24),
                r"embed_dim is 24, outside.* allows (\d+, )+\d+$",
            ),
            (
                changed(num_heads=[1, 9]),
                r"num_heads\[1\] is 9, outside.* allows (\d+, )+\d+$",
            ),
            (
                changed(mlp_ratio=[3, 1]),
                r"mlp_ratio\[0\] is 3, outside.* allows ([\d.]+, )+\d+$",
            ),
        ):
            with self.subTest(text):
                self.check_mistake(self.run_export(text), pattern)
                self.assertFalse(self.new.exists())
        (self.folder / "architecture.json").unlink()
        result = processes.run(
            "export",
            self.workdir,
            f"--architecture={self.folder / 'architecture.json'}",
            f"--export_dir={self.new}",
        )
        self.check_mistake(result, r"architecture\.json: No such file")
        self.assertFalse(self.new.exists())

    def test_an_image_size_of_no_whole_patches_is_refused(self):
        for size in ("9", "8x9"):
            result = self.run_export(
                json.dumps(SMALLEST), f"--image_size={size}"
            )
            self.check_mistake(result, "image_size is .* of patch_size, 2")
            self.assertFalse(self.new.exists())
            result = self.run_evaluate(f"--image_size={size}")
            self.check_mistake(result, "image_size is .* of patch_size, 2")

    def test_an_evaluation_of_what_does_not_fit_the_supernet_is_refused(self):
        before = processes.contents(self.path)
        for arguments, pattern in (
            (
                ["--dataset=imagenet2012"],
                r"class 0, 'n01440764', is none of the supernet's 10 classes: ",
            ),
            (["--dataset=nope"], "dataset is 'nope'.* digits"),
            (
                ["--architecture=autoformer_t"],
                r"embed_dim is 192, outside.* allows (\d+, )+\d+$",
            ),
        ):
            result = self.run_evaluate(*arguments)
            self.check_mistake(result, pattern)
            self.assertEmpty(result.out)
        self.check_unchanged(before)

    def test_an_export_below_a_file_is_refused(self):
        self.new.write_text("content")
        self.new /= "1"
        result = self.run_export(json.dumps(SMALLEST))
        self.check_mistake(result, f"cannot write to {self.new.parent}")

    def test_a_report_without_a_search_says_so(self):
        shutil.rmtree(self.path / "search")
        self.check_mistake(self.run_report(), "search/default.* run one first")


class LimitTest(processes.MistakeTest):
    def test_images_above_the_limit_of_the_flag_are_left_out_and_named(self):
        for name, size in (("cat", 10), ("dog", 11)):
            (self.folder / "images" / name).mkdir(parents=True)
            image = Image.new("RGB", (10, size))
            image.save(self.folder / "images" / name / "a.png")
        result = processes.run(
            "train",
            f"--workdir={self.new}",
            f"--data_dir={self.folder / 'data'}",
            f"--image_folder={self.folder / 'images'}",
            "--max_image_pixels=109",
        )
        self.assertEqual(result.code, 1)
        self.assertIn("1 of more than 109 pixels: dog/a.png", result.err)
        self.assertIn("class 'dog' has no readable training", result.err)


class DamageTest(TrainedTest):
    def test_a_damaged_checkpoint(self):
        for path in self.path.glob("checkpoints/*.data-*"):
            os.truncate(path, path.stat().st_size // 2)
        before = processes.contents(self.path)
        for name, result in (
            ("search", self.run_search("--name=other", "--version=2")),
            ("export", self.run_export(json.dumps(SMALLEST))),
            ("evaluate", self.run_evaluate()),
        ):
            with self.subTest(name):
                self.check_mistake(result, f"{self.path / 'checkpoints'}")
                self.check_unchanged(before)
        with self.subTest("train"):
            self.check_mistake(self.run_train(), f"{self.path / 'checkpoints'}")

    def test_a_damaged_configuration(self):
        path = self.path / "config.json"
        for text in ("{", "[]", "{}", '{"model": 1}'):
            path.write_text(text)
            before = processes.contents(self.path)
            for name, result in (
                ("train", self.run_train()),
                ("search", self.run_search("--name=other", "--version=2")),
                ("export", self.run_export(json.dumps(SMALLEST))),
                ("evaluate", self.run_evaluate()),
                ("report", self.run_report()),
            ):
                with self.subTest(f"{name} {text}"):
                    self.check_mistake(result, str(path))
                    self.check_unchanged(before)

    def test_a_damaged_search(self):
        for name in ("config.json", "candidates.jsonl"):
            path = self.path / "search" / "default" / name
            text = path.read_text()
            for damaged in ("{\n", "[]\n", "{}\n"):
                path.write_text(damaged)
                with self.subTest(f"{name} {damaged}"):
                    self.check_mistake(self.run_report(), str(path))
            path.write_text(text)

    def test_a_damaged_export(self):
        path = self.path / "export" / "1"
        os.truncate(path / "saved_model.pb", 1000)
        self.check_mistake(self.run_report(), str(path))

    def test_tensorboards_folder_is_a_file(self):
        path = self.path / "tensorboard"
        shutil.rmtree(path)
        path.write_text("content")
        search = ("--name=other", "--version=2", "--population=1")
        self.check_mistake(self.run_search(*search), str(path))
        self.check_mistake(self.run_train(), str(path))


class FullDiskTest(TrainedTest):
    """The limit on a file's size takes the part of the full disk."""

    def check_full(
        self, result: processes.Result, folder: pathlib.Path
    ) -> None:
        self.check_mistake(result, f"{folder}.*File too large")
        # Nothing that TensorFlow says to itself.
        self.assertNotRegex(result.messages[0], r"function_node|\[Op:")

    def test_training_leaves_no_checkpoint_and_continues_with_space(self):
        arguments = (*ONE_STEP, f"--workdir={self.new}", self.data)
        result = processes.run("train", *arguments, max_bytes=100_000)
        self.check_full(result, self.new / "checkpoints")
        self.assertEmpty(list(self.new.rglob("*.index")))
        self.assertFalse((self.new / "checkpoints" / "checkpoint").exists())

        self.check_works(processes.run("train", *arguments))
        self.assertLen(list(self.new.rglob("*.index")), 1)

    def test_search_keeps_what_is_whole_and_continues_with_space(self):
        arguments = ("--name=other", "--population=20", "--generations=1")
        arguments += ("--version=2",)
        folder = self.path / "search" / "other"
        # Of the list of candidates the last line is cut.
        result = self.run_search(*arguments, max_bytes=3_200)
        self.check_full(result, folder)
        whole, _, torn = (
            (folder / "candidates.jsonl").read_text().rpartition("\n")
        )
        self.assertTrue(torn)
        self.assertFalse((folder / "best.json").exists())
        # The list and the best fit, the pictures do not.
        result = self.run_search(*arguments, max_bytes=20_000)
        self.check_full(result, folder)
        best = json.loads((folder / "best.json").read_text())
        self.assertEmpty(list(folder.glob("*.png")))
        self.assertEmpty(list(folder.rglob("*partial")))

        self.check_works(self.run_search(*arguments))
        text = (folder / "candidates.jsonl").read_text()
        self.assertStartsWith(text, whole)
        self.assertLen(text.splitlines(), 20)
        candidates = map(json.loads, text.splitlines())
        most_accurate = max(candidates, key=lambda c: c["accuracy"])
        self.assertEqual(best, most_accurate["architecture"])
        export = self.path / "export" / "2"
        self.assertTrue((export / "saved_model.pb").is_file())

    def test_export_leaves_nothing_and_works_with_space(self):
        # Too small for the weights, and for the graph alone.
        for max_bytes in (10_000, 100_000):
            with self.subTest(max_bytes):
                result = self.run_export(
                    json.dumps(SMALLEST), max_bytes=max_bytes
                )
                self.check_full(result, self.new)
                self.assertCountEqual(
                    self.folder.iterdir(),
                    [self.path, self.folder / "architecture.json"],
                )
        self.check_works(self.run_export(json.dumps(SMALLEST)))
        self.assertTrue((self.new / "saved_model.pb").is_file())


if __name__ == "__main__":
    absltest.main()
