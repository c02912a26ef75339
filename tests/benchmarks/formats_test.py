"""The benchmark of formats: what is in its table."""

import contextlib
import io
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from benchmarks import formats
from tests.helpers import shared


class FormatsTest(absltest.TestCase):
    def test_each_runtime_has_its_accuracy_size_and_times(self):
        batches = []

        def classify(images):
            batches.append(len(images))
            return np.eye(10)[[7] * len(images)]  # Each is a seven.

        runs = {("model", "runtime"): classify}
        loaded = mock.Mock(return_value=(runs, {("model", "runtime"): 2.5e6}))
        printed = io.StringIO()
        with (
            mock.patch.object(formats, "_load", loaded),
            mock.patch.object(tf.config, "threading"),
            contextlib.redirect_stdout(printed),
        ):
            formats.main(
                formats.Options(
                    workdir=shared.trained(),
                    data_dir=str(shared.digits()),
                    rounds=2,
                    runs=3,
                )
            )
        # 36 of the 360 test images are sevens.
        self.assertRegex(
            printed.getvalue(),
            r"(?m)^\| model \| runtime \| 10\.\d+% \| 2\.50 MB \| [\d.]+ ms \|",
        )
        # A pass over the test images, then two turns of 2 + 3 batches each.
        self.assertEqual(sum(batches[:12]), 360)
        self.assertEqual(batches[12:], [1] * 10 + [32] * 10)
        _, subnet, calibration, _, threads = loaded.call_args.args
        self.assertEqual(subnet.embed_dim, 32)
        self.assertEqual(calibration[0].shape, (1, 8, 8, 3))
        self.assertEqual((len(calibration), threads), (200, 1))


if __name__ == "__main__":
    absltest.main()
