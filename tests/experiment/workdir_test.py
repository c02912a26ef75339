"""A working folder knows its files, remembers its experiment, defends it."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.experiment import experiment, workdir

_ROOT = pathlib.Path(__file__).parents[2]


def _left_open() -> experiment.Experiment:
    return dataclasses.replace(
        tiny.experiment(), training=None, augmentation=None
    )


class WorkdirTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "run"

    def open(self) -> workdir.Workdir:
        """The folder as another command finds it."""
        return workdir.Workdir(self.folder)


class PathsTest(WorkdirTest):
    def test_files_are_where_every_version_had_them(self):
        folder = self.open()
        search = folder.search("fast")

        self.assertEqual(
            [
                str(path.relative_to(self.folder))
                for path in (
                    folder.config,
                    folder.data,
                    folder.checkpoints,
                    folder.log("train"),
                    folder.export(3),
                    search.config,
                    search.candidates,
                    search.best,
                    search.log,
                    search.picture("progress"),
                )
            ],
            [
                "config.json",
                "data.json",
                "checkpoints",
                "tensorboard/train",
                "export/3",
                "search/fast/config.json",
                "search/fast/candidates.jsonl",
                "search/fast/best.json",
                "tensorboard/search_fast",
                "search/fast/progress.png",
            ],
        )

    def test_to_look_makes_nothing(self):
        folder = self.open()
        self.assertFalse(folder.is_bound)
        self.assertEmpty(folder.search("fast").pictures())
        self.assertFalse(self.folder.exists())

    def test_pictures_are_those_that_exist_sorted(self):
        search = self.open().search("fast")
        search.root.mkdir(parents=True)
        for name in ("b.png", "d.png", "a.png", "c.png", "best.json"):
            (search.root / name).write_text("")

        self.assertEqual(search.pictures(), list(map(search.picture, "abcd")))


class ClaimTest(WorkdirTest):
    def test_an_experiment_comes_back(self):
        written = tiny.experiment(epochs=30, seed=3)

        claimed = self.open()
        claimed.claim(written)

        self.assertTrue(self.open().is_bound)
        self.assertEqual(self.open().experiment, written)
        self.assertEqual(claimed.experiment, written)

    def test_the_file_is_its_json_form(self):
        self.open().claim(tiny.experiment())

        values = json.loads((self.folder / "config.json").read_text())
        wanted = json.loads(json.dumps(tiny.experiment().to_dict()))
        self.assertEqual(values, wanted)

    def test_the_configuration_is_parsed_once(self):
        self.open().claim(tiny.experiment())
        folder = self.open()
        first = folder.experiment
        (self.folder / "config.json").write_text("damaged")

        self.assertIs(folder.experiment, first)

    def test_a_recipe_left_open_is_filled_in_by_the_first_to_claim(self):
        self.open().claim(_left_open())
        self.assertEqual(self.open().experiment, _left_open())

        folder = self.open()
        self.assertIsNone(folder.experiment.training)
        folder.claim(tiny.experiment(epochs=30))

        for each in (folder, self.open()):
            self.assertEqual(each.experiment, tiny.experiment(epochs=30))
        self.open().claim(tiny.experiment(epochs=30))
        with self.assertRaisesRegex(
            errors.InputError, "training.epochs 30, now it is 40"
        ):
            self.open().claim(tiny.experiment(epochs=40))

    def test_a_claim_that_is_refused_fills_nothing_in(self):
        self.open().claim(_left_open())
        other = dataclasses.replace(tiny.experiment(), dataset="imagenet2012")

        with self.assertRaisesRegex(errors.InputError, "dataset 'digits', now"):
            self.open().claim(other)

        self.assertEqual(self.open().experiment, _left_open())

    def test_the_same_experiment_may_claim_again_and_rewrites_nothing(self):
        self.open().claim(tiny.experiment())
        before = (self.folder / "config.json").stat()

        self.open().claim(tiny.experiment())

        after = (self.folder / "config.json").stat()
        self.assertEqual(before.st_ino, after.st_ino)
        self.assertEqual(before.st_mtime_ns, after.st_mtime_ns)

    def test_another_experiment_is_refused_by_field_and_values(self):
        self.open().claim(tiny.experiment())
        before = (self.folder / "config.json").read_text()

        with self.assertRaisesRegex(
            errors.InputError,
            "config.json was made with training.batch_size 1024, now it is 64; "
            "use the same value or another folder",
        ):
            self.open().claim(tiny.experiment(batch_size=64))

        self.assertEqual((self.folder / "config.json").read_text(), before)

    def test_another_precision_is_refused(self):
        self.open().claim(tiny.experiment())

        with self.assertRaisesRegex(
            errors.InputError,
            "training.precision 'float32', now it is 'mixed_bfloat16'",
        ):
            self.open().claim(tiny.experiment(precision="mixed_bfloat16"))

    def test_a_folder_of_the_first_version_may_be_claimed_as_it_is(self):
        old = pathlib.Path(__file__).parents[1] / "goldens" / "workdir_v1"
        self.folder.mkdir()
        shutil.copy(old / "config.json", self.folder)
        before = (self.folder / "config.json").read_bytes()
        found = self.open().experiment

        self.open().claim(found)

        self.assertEqual((self.folder / "config.json").read_bytes(), before)
        recipe = dataclasses.replace(found.training, seed=1)
        with self.assertRaisesRegex(errors.InputError, "training.seed 0, now"):
            self.open().claim(dataclasses.replace(found, training=recipe))

    def test_a_folder_that_cannot_be_written_is_refused(self):
        self.folder.write_text("a file")

        with self.assertRaisesRegex(errors.InputError, "cannot write to"):
            self.open().claim(tiny.experiment())

    def test_a_folder_without_configuration_says_what_to_do(self):
        with self.assertRaisesRegex(errors.InputError, "train a supernet"):
            _ = self.open().experiment

    def test_a_foreign_configuration_is_named(self):
        self.folder.mkdir()
        for text, message in (
            (
                '{"dataset": "digits"}',
                "config.json is not a configuration of this program: .*; "
                "missing model, space, training",
            ),
            ("{", "config.json is not JSON"),
        ):
            (self.folder / "config.json").write_text(text)

            with self.assertRaisesRegex(errors.InputError, message):
                _ = self.open().experiment


class LockTest(WorkdirTest):
    def test_only_one_training_is_in_the_folder_at_a_time(self):
        with (
            self.open().lock(),
            self.assertRaisesRegex(errors.InputError, "is in use by process"),
            self.open().lock(),
        ):
            self.fail("two have the lock")
        with self.open().lock():
            pass


class ImportTest(absltest.TestCase):
    def test_paths_and_experiment_need_no_tensorflow(self):
        program = (
            "import sys\n"
            "from tf_autoformer.experiment import experiment, workdir\n"
            "workdir.Workdir('x').search('y')\n"
            "print([name for name in ('tensorflow', 'keras', 'numpy')"
            " if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stdout.strip(), "[]")


if __name__ == "__main__":
    absltest.main()
