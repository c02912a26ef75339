"""The benchmark of a generation in one pass, on a tiny space."""

import contextlib
import io
from unittest import mock

import tensorflow as tf
from absl.testing import absltest

from benchmarks import one_pass
from tests.helpers import devices, shared, tiny
from tf_autoformer.evaluation import generation
from tf_autoformer.supernet import parallel

devices.prepare()


class OnePassTest(absltest.TestCase):
    def test_the_sides_agree_and_differences_are_counted(self):
        answers = generation.answers

        def wrong_for_one(*arguments, **options):
            found = answers(*arguments, **options)
            first = next(iter(found))
            return found | {first: ~found[first]}

        printed = io.StringIO()
        with (
            mock.patch.object(one_pass, "_OPTIONS", [("cls", "relative")]),
            mock.patch.object(parallel, "use_cores"),
            mock.patch.object(tf.config, "set_logical_device_configuration"),
            mock.patch.object(generation, "answers", wrong_for_one),
            contextlib.redirect_stdout(printed),
        ):
            one_pass.main(
                one_pass.Options(
                    search_space=tiny.SPACE,
                    generations=2,
                    population=3,
                    images=20,
                    image_size=8,
                    patch_size=4,
                    data_dir=str(shared.digits()),
                )
            )
        text = printed.getvalue()
        self.assertRegex(
            text,
            r"(?m)^\| cls \| relative \| [\d.]+ s \| [\d.]+ s, [\d.]+× \| "
            r"[\d.]+ s, [\d.]+× \| [\d.]+% \|$",
        )
        # 20 images, of one subnet in each of two generations, on both sides.
        self.assertIn(
            "\n80 of 240 answers differ, of 6 subnets on 20 images", text
        )


if __name__ == "__main__":
    absltest.main()
