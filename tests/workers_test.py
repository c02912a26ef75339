"""Several processes train one supernet, as several machines would."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands

STEPS = 12


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _losses(workdir: pathlib.Path) -> list[float]:
    """The loss of each step, when it was last taken."""
    events = commands.events(workdir / "tensorboard" / "train")
    last = {event.step: event for event in events["training/loss"]}
    steps = range(1, STEPS + 1)
    return [float(tf.make_ndarray(last[s].tensor_proto)) for s in steps]


class WorkersTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.arguments = commands.full_recipe(self.root, STEPS)
        ports = _free_ports(2)
        self.cluster = {"worker": [f"localhost:{port}" for port in ports]}

    def train(self, name: str, *arguments: str, **env) -> subprocess.Popen:
        # Not forked: it stands for a machine of its own.
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tf_autoformer.train"),
                *self.arguments,
                f"--workdir={self.root / name}",
                *arguments,
            ],
            cwd=commands.ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.kill)
        return process

    def work(self, index: int) -> subprocess.Popen:
        """Starts a worker."""
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": self.cluster, "task": task})
        return self.train(
            "together",
            "--strategy=multi_worker_mirrored",
            TF_CONFIG=config,
        )

    def test_two_one_of_which_is_lost_train_what_one_device_does(self):
        alone, together = self.root / "alone", self.root / "together"
        commands.finish(self.train("alone", "--strategy=one_device"))

        chief, other = self.work(0), self.work(1)
        commands.kill_when(other, lambda: commands.saved_step(together) >= 3)
        restarted = self.work(1)
        told = [commands.finish(process)[1] for process in (chief, restarted)]

        self.assertRegex(told[0], "a worker is lost")
        self.assertRegex(told[0], f"continuing at step .* of {STEPS}")
        self.assertNotIn("loss", told[1])  # One of them tells.
        np.testing.assert_allclose(
            _losses(together), _losses(alone), atol=1e-5, rtol=0
        )
        # The key's bias has no gradient but rounding, which Adam scales up.
        commands.check_same_checkpoint(together, alone, atol=1e-4)


if __name__ == "__main__":
    absltest.main()
