"""An evaluation is what its flags say."""

import contextlib
import io
import pathlib
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import evaluate
from tf_autoformer.evaluation import standalone
from tf_autoformer.space import published


def parse(*arguments: str) -> evaluate.Options:
    return options.parse(
        evaluate.Options,
        "--workdir=runs",
        "--architecture=autoformer_t",
        *arguments,
    )


class OptionsTest(parameterized.TestCase):
    def test_an_evaluation_is_of_the_test_split_by_default(self):
        self.assertEqual(
            parse(),
            evaluate.Options(
                workdir=pathlib.Path("runs"),
                architecture=published.load("autoformer_t"),
                dataset=None,
                image_folder=None,
                split="test",
                image_size=None,
                batch_size=256,
                data_dir=None,
            ),
        )

    def test_an_evaluation_is_what_the_flags_say(self):
        self.assertEqual(
            parse(
                "--dataset=digits",
                "--split=validation",
                "--image_size=16x8",
                "--batch_size=7",
                "--data_dir=data",
            ),
            evaluate.Options(
                workdir=pathlib.Path("runs"),
                architecture=published.load("autoformer_t"),
                dataset="digits",
                split="validation",
                image_size=(16, 8),
                batch_size=7,
                data_dir="data",
            ),
        )

    @parameterized.parameters("split=all", "batch_size=0", "batch_size=x")
    def test_an_evaluation_that_cannot_be_is_refused(self, flag):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, flag):
            parse(f"--{flag}")


class MainTest(parameterized.TestCase):
    @parameterized.parameters(
        ([], None),
        (["--dataset=digits"], "digits"),
        (["--image_folder=/images"], "folder:/images"),
    )
    def test_the_task_is_what_the_options_say(self, images, dataset):
        found = parse(
            *images,
            "--split=validation",
            "--image_size=16x8",
            "--batch_size=7",
            "--data_dir=data",
            "--max_image_pixels=9",
        )
        out = io.StringIO()
        with (
            mock.patch.object(standalone, "lines", return_value="ab") as lines,
            contextlib.redirect_stdout(out),
        ):
            evaluate.main(found)
        self.assertEqual(out.getvalue(), "a\nb\n")
        ((workdir, task), _) = lines.call_args
        self.assertEqual(workdir.root, pathlib.Path("runs"))
        self.assertEqual(
            task,
            standalone.Task(
                architecture=published.load("autoformer_t"),
                dataset=dataset,
                split="validation",
                image_size=(16, 8),
                batch_size=7,
                data_dir="data",
                max_pixels=9,
            ),
        )


if __name__ == "__main__":
    absltest.main()
