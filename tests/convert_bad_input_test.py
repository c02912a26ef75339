"""A conversion that cannot be is told in one line and leaves nothing behind."""

import functools
import json
import pathlib
import pickle
import tempfile
import unittest
from collections.abc import Mapping

import torch
from absl.testing import absltest

from tests.helpers import processes, states

# Its weights do not tell the pooling, which is average.
CHECKPOINT = states.golden("supernet_small_gap").path


class Malice:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, path: pathlib.Path):
        self._path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self._path,)


@functools.cache
def converted() -> pathlib.Path:
    """A working folder made of the checkpoint; not to be changed."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    workdir = pathlib.Path(folder.name) / "workdir"
    result = from_official(CHECKPOINT, workdir)
    if result.code:
        raise AssertionError(result.err)
    return workdir


def from_official(
    path: pathlib.Path, workdir: pathlib.Path, *arguments: str, **limits: int
) -> processes.Result:
    return processes.run(
        "convert",
        f"--official_checkpoint={path}",
        f"--workdir={workdir}",
        *arguments,
        **limits,
    )


class ConvertTest(processes.MistakeTest):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "checkpoint.pth"

    def check_refused(
        self,
        result: processes.Result,
        pattern: str,
        before: Mapping[str, str] | None = None,
    ) -> None:
        """One line, and in the test's folder only what was there before."""
        self.check_mistake(result, pattern)
        self.assertEqual(processes.contents(self.folder), before or {})
        self.assertFalse(self.new.exists())


class DirectionTest(ConvertTest):
    def test_it_must_go_one_way(self):
        for arguments in (
            [],
            ["--official_checkpoint=a.pth", "--export_official=b.pth"],
        ):
            with self.subTest(len(arguments)):
                result = processes.run(
                    "convert", f"--workdir={self.new}", *arguments
                )
                self.check_refused(
                    result, r"Exactly one of \(official_checkpoint, export_off"
                )

    def test_flags_of_the_other_way_are_refused(self):
        for arguments, name in (
            (["--official_checkpoint=a.pth", "--architecture=x"], "architec"),
            (["--export_official=a.pth", "--dataset=digits"], "dataset"),
            (["--export_official=a.pth", "--image_folder=a"], "image_folder"),
            (["--export_official=a.pth", "--search_space=tiny"], "search_sp"),
            (["--export_official=a.pth", "--pooling=cls"], "pooling"),
            (["--export_official=a.pth", "--image_size=7"], "image_size"),
        ):
            with self.subTest(name):
                result = processes.run(
                    "convert", f"--workdir={self.new}", *arguments
                )
                self.check_refused(result, f"{name}.* no use in this direction")

    def test_an_empty_name_is_no_file(self):
        for name in ("official_checkpoint", "export_official"):
            with self.subTest(name):
                result = processes.run(
                    "convert", f"--workdir={self.new}", f"--{name}="
                )
                self.check_refused(result, "error: ")


class FromOfficialTest(ConvertTest):
    def test_a_bad_flag(self):
        space = self.folder / "space.json"
        space.write_text(json.dumps({"embed_dims": [64]}))
        before = processes.contents(self.folder)
        for argument, pattern in (
            ("--image_size=axb", "image_size=axb.*224x320"),
            ("--image_size=30", "image_size is 30.* patch_size, 8"),
            ("--image_size=0", "image_size is 0; it must be positive"),
            ("--pooling=max", "pooling=max.*cls.*average"),
            ("--search_space=huge", "search_space is 'huge'.*tiny"),
            (f"--search_space={space}", f"{space}: a search space has the fie"),
            (
                "--search_space=base",
                "for a supernet of .*=640.* weights are of .*=128",
            ),
            ("--dataset=nope", "dataset is 'nope'.*digits"),
            ("--dataset=imagenet2012", "10 classes.* imagenet2012 has 1000"),
        ):
            with self.subTest(argument):
                result = from_official(CHECKPOINT, self.new, argument)
                self.check_refused(result, pattern, before)

    def test_no_file(self):
        result = from_official(self.path, self.new)
        self.check_refused(result, f"cannot read {self.path}: No such file")
        result = from_official(self.folder, self.new)
        self.check_refused(result, f"cannot read {self.folder}: Is a directory")

    def test_a_truncated_file(self):
        content = CHECKPOINT.read_bytes()
        for size in (0, 1000, len(content) // 2, len(content) - 1):
            with self.subTest(size):
                self.path.write_bytes(content[:size])
                before = processes.contents(self.folder)
                result = from_official(self.path, self.new)
                self.check_refused(result, f"{self.path} is damaged", before)

    def test_a_file_with_code_is_refused_and_the_code_not_run(self):
        marker = self.folder / "marker"
        malice = {"model": {"cls_token": Malice(marker)}}
        for name, save in (("archive", torch.save), ("pickle", self._pickle)):
            with self.subTest(name):
                save(malice, self.path)
                before = processes.contents(self.folder)
                result = from_official(self.path, self.new)
                self.check_refused(result, f"{self.path}.*", before)
                self.assertFalse(marker.exists())
        # Else it would prove nothing.
        pickle.loads(pickle.dumps(malice))
        self.assertTrue(marker.exists())

    def _pickle(self, value, path: pathlib.Path) -> None:
        path.write_bytes(pickle.dumps(value, protocol=2))

    def test_a_checkpoint_of_something_else(self):
        for content, pattern in (
            ([1, 2], "must hold named tensors.* holds list"),
            ({"model": {}}, "must hold named tensors"),
            ({"model": {"fc.weight": torch.zeros(3)}}, "has no tensor patch_e"),
            (
                {"weight": torch.zeros(3, dtype=int)},
                "weight must be a tensor of",
            ),
        ):
            with self.subTest(pattern):
                torch.save(content, self.path)
                before = processes.contents(self.folder)
                result = from_official(self.path, self.new)
                self.check_refused(result, f"{self.path}:? .*{pattern}", before)

    def test_an_existing_folder_is_refused_before_the_file_is_read(self):
        workdir = self.folder / "workdir"
        workdir.mkdir()
        (workdir / "precious").write_text("content")
        before = processes.contents(self.folder)
        result = from_official(self.path, workdir)
        self.check_refused(result, f"{workdir} exists already", before)

    def test_a_place_that_cannot_be_a_folder(self):
        wall = self.folder / "wall"
        wall.touch()
        before = processes.contents(self.folder)
        result = from_official(CHECKPOINT, wall / "workdir")
        self.check_refused(result, f"cannot write to {wall}", before)

    def test_a_full_disk_leaves_nothing_and_with_space_it_works(self):
        result = from_official(CHECKPOINT, self.new, max_bytes=100_000)
        self.check_refused(result, f"{self.folder}.*File too large")
        # Nothing that TensorFlow says to itself.
        self.assertNotRegex(result.messages[0], r"function_node|\[Op:")
        self.check_works(from_official(CHECKPOINT, self.new))
        self.assertTrue((self.new / "config.json").is_file())


class ToOfficialTest(ConvertTest):
    def convert(
        self, workdir: pathlib.Path, *arguments: str, **limits: int
    ) -> processes.Result:
        return processes.run(
            "convert",
            f"--export_official={self.path}",
            f"--workdir={workdir}",
            *arguments,
            **limits,
        )

    def test_no_supernet(self):
        result = self.convert(self.new)
        self.check_refused(result, f"{self.new}.* train a supernet there or")

    def test_an_existing_file_is_refused_and_untouched(self):
        self.path.write_text("precious")
        before = processes.contents(self.folder)
        result = self.convert(converted())
        self.check_refused(result, f"{self.path} exists already", before)

    def test_an_architecture_outside_the_space(self):
        result = self.convert(converted(), "--architecture=autoformer_t")
        self.check_refused(result, "embed_dim is 192, outside .* allows 8, 16")
        result = self.convert(converted(), "--architecture=autoformer_x")
        self.check_refused(result, "is 'autoformer_x'; it must be a JSON file")

    def test_a_place_that_cannot_be_a_folder(self):
        wall = self.folder / "wall"
        wall.touch()
        before = processes.contents(self.folder)
        self.path = wall / "checkpoint.pth"
        result = self.convert(converted())
        self.check_refused(result, f"cannot write to {wall}", before)

    def test_a_full_disk_leaves_nothing_and_with_space_it_works(self):
        result = self.convert(converted(), max_bytes=100_000)
        self.check_refused(result, f"{self.folder}.*File too large")
        self.check_works(self.convert(converted()))
        self.assertEqual(list(self.folder.iterdir()), [self.path])


if __name__ == "__main__":
    absltest.main()
