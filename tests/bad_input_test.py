"""A mistake gets one clear line, and leaves no half-written file behind.

The binaries run as `python -m` would run them, each in a process of its own;
these are forked from a server that has imported TensorFlow once.
"""

import functools
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import resource
import runpy
import shutil
import sys
import tempfile
import unittest
from collections.abc import Mapping
from typing import NamedTuple

from absl.testing import absltest

ROOT = pathlib.Path(__file__).parent.parent
BINARIES = ("train", "search", "export", "report")
DIGITS = f"--flagfile={ROOT / 'flags' / 'digits' / 'supernet.flags'}"
# One step, which leaves the smallest supernet that can be searched.
ONE_STEP = (DIGITS, "--epochs=0.05", "--warmup_epochs=0", "--watched_subnets=0")
SMALLEST = {
    "embed_dim": 16,
    "depth": 2,
    "num_heads": [1, 1],
    "mlp_ratio": [0.5, 0.5],
}

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "tf_autoformer.config",
        "tf_autoformer.analysis.report",
        "tf_autoformer.analysis.search_board",
    ]
)


class Result(NamedTuple):
    """How a binary ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def messages(self) -> list[str]:
        """Lines of the error output but for progress and absl's hint."""
        ignored = r"\d\d:\d\d:\d\d |Pass --helpshort or|\s*$"
        return [
            line
            for line in self.err.splitlines()
            if not re.match(ignored, line)
        ]


def _main(
    binary: str, arguments: tuple[str, ...], output: str, max_bytes: int | None
) -> None:
    """What happens in the process of a binary."""
    for descriptor in (1, 2):
        path = f"{output}.{descriptor}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    if max_bytes is not None:
        # To the programs a disk that is full: Python ignores the signal, so
        # that writing fails with an error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))
    sys.argv = [binary, *arguments]
    module = f"tf_autoformer.{binary}"
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def run(binary: str, *arguments: str, max_bytes: int | None = None) -> Result:
    """Runs a binary; no file that it writes can be larger than `max_bytes`."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(pathlib.Path(folder) / "output")
        process = _SERVER.Process(
            target=_main, args=(binary, arguments, output, max_bytes)
        )
        process.start()
        process.join()
        out, err = (
            pathlib.Path(f"{output}.{descriptor}").read_text()
            for descriptor in (1, 2)
        )
    return Result(process.exitcode, out, err)


def contents(folder: pathlib.Path) -> Mapping[str, str]:
    """Relative path -> digest of every file, whatever its name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class BadInputTest(absltest.TestCase):
    """Runs binaries in a folder of the test's own."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.new = self.folder / "new"

    def check_mistake(self, result: Result, pattern: str) -> None:
        """One line, no traceback, and an exit code that says so."""
        if "Traceback" in result.err:
            self.fail(result.err)
        self.assertLen(result.messages, 1, result.err)
        self.assertRegex(result.messages[0], pattern)
        self.assertIn(result.code, (1, 2))

    def check_works(self, result: Result) -> None:
        self.assertEqual(result.code, 0, result.err)
        self.assertEmpty(result.messages)


class FlagsTest(BadInputTest):
    BAD_FLAGS = (  # (binary, arguments, message)
        ("train", ["--nonsense=1"], "nonsense"),
        ("train", ["--flagfile=no_such.flags"], "no_such.flags"),
        ("train", ["stray"], "stray"),
        (
            "train",
            ["--dataset=mnist"],
            "dataset is 'mnist'.* one of digits",
        ),
        ("train", ["--search_space=huge"], "search_space=huge.*tiny"),
        ("train", ["--batch_size=abc"], "batch_size=abc"),
        ("train", ["--batch_size=0"], "batch_size is 0.* positive"),
        ("train", ["--epochs=nan"], "epochs is nan"),
        ("train", ["--epochs=inf"], "epochs is inf"),
        ("train", ["--epochs=1"], "warmup_epochs is 20.* epochs, 1.0"),
        ("train", ["--learning_rate=nan"], "learning_rate is nan"),
        (
            "train",
            ["--label_smoothing=2"],
            "label_smoothing is 2.* below 1",
        ),
        ("train", ["--seed=4294967296"], "seed is 4294967296"),
        ("train", ["--pooling=x"], "pooling=x.*cls.*average"),
        ("train", ["--patch_size=15"], "image_size is 224.*patch_size, 15"),
        ("train", ["--drop_path=1"], r"drop_path is 1.0.* \[0, 1\)"),
        ("train", ["--init_stddev=nan"], "init_stddev is nan"),
        ("train", ["--log_every=0"], "log_every is 0.* at least 1"),
        ("search", ["--population=0"], "population is 0.* at least 1"),
        ("search", ["--layer_probability=2"], r"layer_probability is 2.0"),
        ("search", ["--max_params=0"], "params.* 0.*positive"),
        ("search", ["--max_params=many"], "max_params=many"),
        (
            "search",
            ["--min_params=2e5", "--max_params=1e5"],
            "params.* 200,000.* 100,000",
        ),
        ("search", ["--name=../elsewhere"], r"name is '\.\./elsewhere'"),
        ("search", ["--version=0"], "version is 0.* at least 1"),
        ("export", ["--export_dir=x"], "--architecture"),
        ("export", ["--architecture=x"], "--export_dir"),
        ("report", ["--version=0"], "version is 0"),
    )

    def test_a_bad_flag_is_named_and_nothing_is_made(self):
        wall = self.folder / "file"
        wall.touch()
        for number, (binary, arguments, pattern) in enumerate(self.BAD_FLAGS):
            with self.subTest(f"{binary} {' '.join(arguments)}"):
                workdir = self.folder / str(number)
                places = [f"--workdir={workdir}"]
                if binary != "export":  # What is not refused goes no further.
                    places.append(f"--data_dir={wall}")
                result = run(binary, *places, *arguments)
                self.check_mistake(result, pattern)
                self.assertFalse(workdir.exists())

    def test_a_missing_workdir_is_named(self):
        for binary in BINARIES:
            with self.subTest(binary):
                others = ("--architecture=x", "--export_dir=y")
                result = run(binary, *(others if binary == "export" else ()))
                self.check_mistake(result, "--workdir")

    def test_help_shows_what_the_binary_does_and_explains_every_flag(self):
        for binary, purpose, flags in (
            ("train", "Trains a supernet", ("batch_size", "log_every")),
            (
                "search",
                "Searches a trained supernet",
                ("max_params", "parents"),
            ),
            ("export", "Exports any architecture", ("architecture",)),
            ("report", "Reports on a search", ("data_dir",)),
        ):
            with self.subTest(binary):
                result = run(binary, "--help")
                self.assertEmpty(result.err)
                self.assertIn(purpose, result.out)
                texts = dict(
                    re.findall(r"^  --(?:\[no\])?(\w+): (.*)", result.out, re.M)
                )
                self.assertContainsSubset({"workdir", *flags}, texts)
                self.assertNotIn("", texts.values())


class NoSupernetTest(BadInputTest):
    def setUp(self):
        super().setUp()
        self.architecture = self.folder / "smallest.json"
        self.architecture.write_text(json.dumps(SMALLEST))

    def test_who_needs_a_supernet_says_so_and_makes_no_folder(self):
        for binary in BINARIES[1:]:
            with self.subTest(binary):
                result = run(
                    binary,
                    f"--workdir={self.new}",
                    *(
                        (
                            f"--architecture={self.architecture}",
                            f"--export_dir={self.folder / 'export'}",
                        )
                        if binary == "export"
                        else ()
                    ),
                )
                self.check_mistake(
                    result, rf"{self.new}.* train a supernet there first"
                )
                self.assertEqual(list(contents(self.folder)), ["smallest.json"])

    def test_train_in_a_place_that_cannot_be_a_folder(self):
        for workdir in (self.architecture, self.architecture / "workdir"):
            with self.subTest(workdir.name):
                result = run("train", DIGITS, f"--workdir={workdir}")
                self.check_mistake(result, f"cannot write to {workdir}")

    def test_data_in_a_place_that_cannot_be_a_folder(self):
        data_dir = self.architecture / "data"
        result = run(
            "train",
            DIGITS,
            f"--workdir={self.new}",
            f"--data_dir={data_dir}",
        )
        self.check_mistake(result, f"cannot write to {data_dir}")


@functools.cache
def trained() -> pathlib.Path:
    """A folder with the data and a trained and searched working folder."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    places = (
        f"--workdir={folder.name}/workdir",
        f"--data_dir={folder.name}/data",
    )
    for binary, *arguments in (
        ("train", *ONE_STEP),
        ("search", "--population=2", "--generations=1"),
    ):
        result = run(binary, *places, *arguments)
        if result.code:
            raise AssertionError(result.err)
    return pathlib.Path(folder.name)


class TrainedTest(BadInputTest):
    """Has a copy of the trained and searched working folder."""

    def check_unchanged(self, before: Mapping[str, str]) -> None:
        changed = before.items() ^ contents(self.path).items()
        self.assertEmpty({name for name, _ in changed})

    def setUp(self):
        super().setUp()
        self.path = self.folder / "workdir"
        shutil.copytree(trained() / "workdir", self.path)
        self.workdir = f"--workdir={self.path}"
        self.data = f"--data_dir={trained() / 'data'}"

    def run_export(self, architecture: str, **limits: int) -> Result:
        """Exports the architecture of a JSON text to `new`."""
        path = self.folder / "architecture.json"
        path.write_text(architecture)
        return run(
            "export",
            self.workdir,
            f"--architecture={path}",
            f"--export_dir={self.new}",
            **limits,
        )

    def run_train(self) -> Result:
        return run("train", *ONE_STEP, self.workdir, self.data)

    def run_search(self, *arguments: str, **limits: int) -> Result:
        return run("search", self.workdir, self.data, *arguments, **limits)

    def run_report(self) -> Result:
        return run("report", self.workdir, self.data)


class WorkdirTest(TrainedTest):
    def test_a_diverged_training_keeps_no_bad_checkpoint(self):
        result = run(
            "train",
            DIGITS,
            "--epochs=0.17",  # Three steps; the first ruins the weights.
            "--warmup_epochs=0",
            "--learning_rate=1e30",
            "--checkpoint_every=2",
            f"--workdir={self.new}",
            self.data,
        )
        self.check_mistake(result, "loss is .*learning_rate")
        self.assertEmpty(list(self.new.rglob("*.index")))

    def test_another_configuration_is_refused_by_field_and_both_values(self):
        before = contents(self.path)
        result = run(
            "train", *ONE_STEP, self.workdir, self.data, "--batch_size=32"
        )
        self.check_mistake(result, r"training\.batch_size 64, now it is 32")
        result = self.run_search("--population=3", "--generations=1")
        self.check_mistake(result, r"evolution\.population 2, now it is 3")
        self.check_unchanged(before)

    def test_an_unreachable_constraint_says_what_can_be_reached(self):
        before = contents(self.path)
        for arguments in (["--max_params=100"], ["--min_params=1e9"]):
            result = self.run_search("--name=other", "--version=2", *arguments)
            self.check_mistake(result, r"reaches from [\d,]+ to [\d,]+ params")
        self.check_unchanged(before)

    def test_an_existing_export_is_refused_before_the_search_starts(self):
        before = contents(self.path)
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
        result = self.run_search("--population=2", "--generations=2")
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
                "fields embed_dim, depth, num_heads, mlp_ratio; found embed",
            ),
            (changed(extra=1), "found .*extra"),
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
                r"mlp_ratio\[0\] is 3.0, outside.* allows ([\d.]+, )+\d+$",
            ),
        ):
            with self.subTest(text):
                self.check_mistake(self.run_export(text), pattern)
                self.assertFalse(self.new.exists())
        (self.folder / "architecture.json").unlink()
        result = run(
            "export",
            self.workdir,
            f"--architecture={self.folder / 'architecture.json'}",
            f"--export_dir={self.new}",
        )
        self.check_mistake(result, r"architecture\.json: No such file")
        self.assertFalse(self.new.exists())

    def test_an_export_below_a_file_is_refused(self):
        self.new.write_text("content")
        self.new /= "1"
        result = self.run_export(json.dumps(SMALLEST))
        self.check_mistake(result, f"cannot write to {self.new.parent}")

    def test_a_report_without_a_search_says_so(self):
        shutil.rmtree(self.path / "search")
        self.check_mistake(self.run_report(), "search/default.* run one first")


class DamageTest(TrainedTest):
    def test_a_damaged_checkpoint(self):
        (path,) = self.path.glob("checkpoints/*.data-*")
        os.truncate(path, path.stat().st_size // 2)
        before = contents(self.path)
        for name, result in (
            ("search", self.run_search("--name=other", "--version=2")),
            ("export", self.run_export(json.dumps(SMALLEST))),
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
            before = contents(self.path)
            for name, result in (
                ("train", self.run_train()),
                ("search", self.run_search("--name=other", "--version=2")),
                ("export", self.run_export(json.dumps(SMALLEST))),
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

    def check_full(self, result: Result, folder: pathlib.Path) -> None:
        self.check_mistake(result, f"{folder}.*File too large")
        # Nothing that TensorFlow says to itself.
        self.assertNotRegex(result.messages[0], r"function_node|\[Op:")

    def test_training_leaves_no_checkpoint_and_continues_with_space(self):
        arguments = (*ONE_STEP, f"--workdir={self.new}", self.data)
        result = run("train", *arguments, max_bytes=1_000_000)
        self.check_full(result, self.new / "checkpoints")
        self.assertEmpty(list(self.new.rglob("*.index")))
        self.assertFalse((self.new / "checkpoints" / "checkpoint").exists())

        self.check_works(run("train", *arguments))
        self.assertLen(list(self.new.rglob("*.index")), 1)

    def test_search_keeps_what_is_whole_and_continues_with_space(self):
        arguments = ("--name=other", "--population=45", "--generations=1")
        arguments += ("--version=2",)
        folder = self.path / "search" / "other"
        # Of the list of candidates the last line is cut.
        result = self.run_search(*arguments, max_bytes=5_000)
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
        self.assertLen(text.splitlines(), 45)
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
