"""Whether XLA compiles: as the flags say, in each binary that has them."""

import os
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import options, tiny
from tf_autoformer import errors, report, search, train
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.supernet import compilation, supernet

DECIDED = dict(compilation._DECIDED)


class UseTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "xla"
        self.gpus = self.enter_context(
            mock.patch.object(tf.config, "list_physical_devices")
        )
        self.enter_context(mock.patch.dict(os.environ))
        self.enter_context(mock.patch.dict(compilation._DECIDED, DECIDED))
        os.environ.pop("TF_XLA_FLAGS", None)
        os.environ["XLA_FLAGS"] = "--xla_dump_to=here"

    @parameterized.parameters(
        ("on", 0, True),
        ("on", 1, True),
        ("auto", 0, False),
        ("auto", 1, True),
        ("off", 1, False),
    )
    def test_a_supernet_is_compiled_as_was_decided(self, choice, gpus, wanted):
        self.gpus.return_value = ["gpu"] * gpus

        compilation.use(choice, str(self.folder))

        self.assertEqual(compilation.in_use(), wanted)
        self.assertEqual(self.folder.exists(), bool(wanted and gpus))
        made = supernet.Supernet(tiny.MODEL, tiny.SMALL_SPACE)
        self.assertEqual(made.compiled, wanted)
        self.assertFalse(
            supernet.Supernet(
                tiny.MODEL, tiny.SMALL_SPACE, jit_compile=False
            ).compiled
        )

    def test_settings_of_the_user_stay(self):
        triton = "--xla_gpu_enable_triton_softmax_fusion"
        cache = "--tf_xla_persistent_cache_directory"
        compilation.use("on", str(self.folder))
        self.assertEqual(
            os.environ["XLA_FLAGS"], f"--xla_dump_to=here {triton}=true"
        )
        self.assertIn(f"{cache}={self.folder}", os.environ["TF_XLA_FLAGS"])

        os.environ["XLA_FLAGS"] = f"{triton}=false"
        os.environ["TF_XLA_FLAGS"] = f"{cache}=there"
        compilation.use("auto", str(self.folder))
        self.assertEqual(os.environ["XLA_FLAGS"], f"{triton}=false")
        self.assertIn(f"{cache}=there ", os.environ["TF_XLA_FLAGS"])

    def test_without_a_folder_or_compilation_nothing_is_kept(self):
        compilation.use("on", "")
        self.assertNotIn("TF_XLA_FLAGS", os.environ)
        os.environ["XLA_FLAGS"] = ""
        compilation.use("off", str(self.folder))
        self.assertNotIn("TF_XLA_FLAGS", os.environ)
        self.assertEqual(os.environ["XLA_FLAGS"], "")

    def test_a_folder_that_cannot_be_written_is_refused(self):
        self.gpus.return_value = ["gpu"]
        self.folder.write_text("a file")

        with self.assertRaisesRegex(errors.InputError, str(self.folder)):
            compilation.use("auto", str(self.folder))


class FlagsTest(parameterized.TestCase):
    @parameterized.parameters(train, search, report)
    def test_they_reach_tensorflow_before_anything_else(self, module):
        folder = self.create_tempdir().full_path
        # `search` and `report` read it to check latencies before TensorFlow.
        workdir = mock.Mock(spec=workdir_lib.Workdir)
        self.enter_context(
            mock.patch.object(workdir_lib, "Workdir", return_value=workdir)
        )
        given = options.parse(
            module.Options,
            f"--workdir={folder}",
            "--compile=on",
            "--compile_cache=/kept/here",
            "--notf32",
        )
        with (
            mock.patch.object(
                compilation, "use", side_effect=InterruptedError
            ) as use,
            self.assertRaises(InterruptedError),
        ):
            module.main(given)

        use.assert_called_once_with("on", "/kept/here", False)

    def test_tf32_is_switched(self):
        enabled = tf.config.experimental.tensor_float_32_execution_enabled
        self.addCleanup(compilation._DECIDED.update, DECIDED)
        for tf32 in (False, True):
            compilation.use("off", "", tf32)
            self.assertEqual(enabled(), tf32)

    def test_a_cache_with_spaces_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "compile_cache is 'a b'; it must be .* spaces"
        ):
            options.parse(
                train.Options, "--workdir=runs", "--compile_cache=a b"
            )


if __name__ == "__main__":
    absltest.main()
