"""Several processes train one supernet, as several machines would."""

import json
import pathlib
import re
import socket
import subprocess
import tempfile

from absl.testing import absltest

from tests import commands

STEPS = 12


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _losses(err: str) -> dict[str, str]:
    """Step -> loss, as told."""
    return dict(re.findall(r"step (\d+)/\d+  loss ([\d.]+)", err))


class WorkersTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.arguments = commands.full_recipe(self.root, STEPS)
        ports = _free_ports(2)
        self.cluster = {"worker": [f"localhost:{port}" for port in ports]}

    def train(self, name: str, *arguments: str, **options) -> subprocess.Popen:
        folder = f"--workdir={self.root / name}"
        process = commands.start(
            "train", *self.arguments, folder, *arguments, **options
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
            env={"TF_CONFIG": config},
        )

    def test_two_one_of_which_is_lost_train_what_one_device_does(self):
        _, alone = commands.finish(
            self.train("alone", "--strategy=one_device")
        )
        together = self.root / "together"

        chief, other = self.work(0), self.work(1)
        commands.kill_when(other, lambda: commands.saved_step(together) >= 3)
        restarted = self.work(1)
        told = [commands.finish(process)[1] for process in (chief, restarted)]

        self.assertLen(_losses(alone), STEPS)
        self.assertEqual(_losses(told[0]), _losses(alone))
        self.assertRegex(told[0], "a worker is lost")
        self.assertRegex(told[0], f"continuing at step .* of {STEPS}")
        self.assertEmpty(_losses(told[1]))  # One of them tells.
        # The losses are told to three digits; the weights follow from all.
        commands.check_same_checkpoint(
            together, self.root / "alone", atol=1e-5
        )


if __name__ == "__main__":
    absltest.main()
