"""What TF_CONFIG must say before TensorFlow reads it."""

import json
import os
from unittest import mock

import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.training import distribution

WORKER = {"type": "worker", "index": 0}


class DistributionTest(parameterized.TestCase):
    def _make(self, text: str) -> None:
        with mock.patch.dict(os.environ, {"TF_CONFIG": text}):
            distribution.make("multi_worker_mirrored")

    @parameterized.parameters(
        ({"worker": ["host"]}, WORKER),
        ({"worker": ["host:"]}, WORKER),
        ({"worker": ["host:99999"]}, WORKER),
        ({"worker": [5000]}, WORKER),
        ({"worker": "host:5000"}, WORKER),
        ({"worker": ["host:5000"]}, {"type": "worker", "index": 1}),
        ({"worker": ["host:5000"]}, {"type": "worker", "index": "0"}),
        ({"worker": ["host:5000"]}, {"type": "chief", "index": 0}),
        ({"worker": ["a:1"], "ps": ["b:1"]}, {"type": "ps", "index": 0}),
        ({"chief": ["host:5000"]}, {"type": "chief", "index": 0}),
    )
    def test_a_cluster_that_cannot_be_is_refused(self, cluster, task):
        text = json.dumps({"cluster": cluster, "task": task})
        with self.assertRaisesRegex(errors.InputError, "TF_CONFIG is '.*must"):
            self._make(text)

    @parameterized.parameters("", "{", "[1]", "{}", '{"cluster": 1}')
    def test_what_is_no_cluster_is_refused(self, text):
        with self.assertRaisesRegex(errors.InputError, "TF_CONFIG is '.*must"):
            self._make(text)

    @parameterized.parameters(
        ({"worker": ["a:1", "b.c:65535"]}, {"type": "worker", "index": 1}),
        ({"worker": ["[::1]:5000"]}, WORKER),
        ({"chief": ["a:1"], "worker": ["b:1"]}, {"type": "chief", "index": 0}),
    )
    def test_a_cluster_that_can_be_is_taken(self, cluster, task):
        with mock.patch.object(
            tf.distribute, "MultiWorkerMirroredStrategy"
        ) as made:
            self._make(json.dumps({"cluster": cluster, "task": task}))
        made.assert_called_once_with()


if __name__ == "__main__":
    absltest.main()
