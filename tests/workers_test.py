"""Several processes train one supernet, as several machines would."""

import json
import pathlib
import socket
import tempfile

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands, processes, shared

STEPS = shared.FULL_RECIPE_STEPS


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
        self.workdir = pathlib.Path(folder.name) / "workdir"
        ports = _free_ports(2)
        self.cluster = {"worker": [f"localhost:{port}" for port in ports]}

    def work(self, index: int) -> processes.Process:
        """Starts a worker."""
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": self.cluster, "task": task})
        process = processes.start(
            "train",
            *shared.full_recipe(),
            f"--workdir={self.workdir}",
            f"--data_dir={shared.digits()}",
            "--strategy=multi_worker_mirrored",
            grappler=True,
            environment={"TF_CONFIG": config, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.addCleanup(process.kill)
        return process

    def test_two_one_of_which_is_lost_train_what_one_device_does(self):
        chief, other = self.work(0), self.work(1)
        commands.kill_when(
            other, lambda: commands.saved_step(self.workdir) >= 3
        )
        restarted = self.work(1)
        told = [commands.finish(process)[1] for process in (chief, restarted)]
        alone = shared.whole_recipe()

        self.assertRegex(told[0], "a worker is lost")
        self.assertRegex(told[0], f"continuing at step .* of {STEPS}")
        self.assertNotIn("loss", told[1])  # One of them tells.
        np.testing.assert_allclose(
            _losses(self.workdir), _losses(alone), atol=1e-5, rtol=0
        )
        # The key's bias has no gradient but rounding, which Adam scales up.
        commands.check_same_checkpoint(self.workdir, alone, atol=1e-4)


if __name__ == "__main__":
    absltest.main()
