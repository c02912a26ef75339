"""The photographs that are made, and a bad flag, named before anything runs."""

import io
import pathlib
from unittest import mock

import numpy as np
from absl.testing import absltest
from PIL import Image

from benchmarks import batches, comparison, photographs
from tests.helpers import processes
from tf_autoformer import errors


class PhotographsTest(absltest.TestCase):
    def test_they_are_jpegs_of_imagenets_size_and_none_is_another(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        dataset = photographs.make(folder, 6, seed=1)
        self.assertEqual(dataset.num_examples("train"), 6)
        read = list(dataset.read("train").as_numpy_iterator())
        self.assertEqual([label for _, label in read], list(range(6)))
        self.assertLen({image for image, _ in read}, 6)
        for file, _ in read:
            image = Image.open(io.BytesIO(file))
            self.assertEqual((image.format, image.size), ("JPEG", (500, 375)))
            # No flat picture, which would be decoded in no time.
            self.assertGreater(np.asarray(image).std(), 30)
            self.assertBetween(len(file), 20_000, 200_000)


class BatchesTest(absltest.TestCase):
    def test_the_pipeline_reads_them_and_so_does_each_stage(self):
        folder = self.create_tempdir().full_path
        self.enter_context(mock.patch.object(batches, "_REPETITIONS", 1))
        sides = batches.Batches(folder, count=4, batch_size=2, seed=1)
        (seconds,) = sides.training(1)
        self.assertGreater(seconds, 0)
        self.assertLen(sides.stages(), 9)


class FlagsTest(processes.MistakeTest):
    def test_a_missing_library_is_named(self):
        with self.assertRaisesRegex(
            errors.InputError, "^none_such must be installed: pip install x$"
        ):
            comparison.require_installed(["sys", "none_such"], "x")

    def test_a_bad_flag_is_named_in_one_line(self):
        page = self.folder / "page.md"
        page.write_text("no table")
        for argument, pattern in (
            ("--batch_size=1", "batch_size=1"),
            ("--batch_size=3", "batch_size is 3; it must be even"),
            ("--photographs=0", "photographs=0"),
            (f"--update={page}", "page.md must have a line .*begin"),
        ):
            with self.subTest(argument):
                result = processes.run(
                    "input_pipeline", argument, package="benchmarks"
                )
                self.check_mistake(result, pattern)
                self.assertEmpty(result.out)


if __name__ == "__main__":
    absltest.main()
