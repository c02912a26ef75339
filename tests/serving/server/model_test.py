"""A version is served only once it has answered its warm-up requests."""

import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import shared
from tf_autoformer import errors
from tf_autoformer.data.sources import labels, names
from tf_autoformer.serving import warmup
from tf_autoformer.serving.server import model


class ModelTest(absltest.TestCase):
    def test_it_has_version_labels_and_signatures(self):
        found = model.Model(shared.exported() / "2")
        self.assertEqual(found.version, 2)
        self.assertEqual(found.labels, [str(digit) for digit in range(10)])
        self.assertIn("serving_bytes", found.metadata["signature_def"])
        rows = [{"image_bytes": np.array(b"x", object)}] * 3
        answers = found.signatures["serving_bytes"](rows)
        self.assertLen(answers, 3)
        self.assertEqual(answers[0]["classes"], b"")
        self.assertEqual(answers[0]["probabilities"].shape, (10,))

    def test_a_warmup_request_that_fails_fails_the_version(self):
        requests = [("serving_bytes", {"image_bytes": tf.constant(1.0)})]
        with (
            mock.patch.object(warmup, "read", lambda _: requests),
            self.assertRaisesRegex(errors.InputError, "cannot load .*/1: "),
        ):
            model.Model(shared.exported() / "1")

    def test_a_folder_of_something_else_is_refused(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"damaged")
        with self.assertRaisesRegex(errors.InputError, "cannot load .*/1: "):
            model.Model(folder)

    def test_damaged_labels_are_told(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        shutil.copytree(shared.exported() / "1", folder / "1")
        path = folder / "1" / names.LABELS_FILE
        for content in ('["0", ', '{"0": 1}', "[0]"):
            path.write_text(content)
            with self.assertRaisesRegex(errors.InputError, "labels.json"):
                labels.read(folder / "1")
        with self.assertRaisesRegex(errors.InputError, "is no list of texts"):
            model.Model(folder / "1")

    def test_inputs_of_any_size_cannot_be_joined(self):
        for shape in ([None, None, 3], [], [4, 3], None):
            spec = tf.TensorSpec(shape, tf.float32, "x")
            function = mock.Mock(structured_input_signature=((), {"x": spec}))
            with self.assertRaisesRegex(errors.InputError, "the input x of f "):
                model.Signature(function, "f")


if __name__ == "__main__":
    absltest.main()
