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
TRAIN = (
    f"--flagfile={commands.ROOT / 'flags' / 'digits' / 'full_recipe.flags'}",
    f"--epochs={STEPS * 64 / 1149}",
    "--warmup_epochs=0.2",
    "--ema_decay=0.9",
    "--log_every=1",
    "--checkpoint_every=1",
    "--watched_subnets=0",
)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class WorkersTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.cluster = {
            "worker": [f"localhost:{port}" for port in _free_ports(2)]
        }

    def start(self, name: str, index: int | None = None) -> subprocess.Popen:
        """Starts a worker, or the one process that needs no other."""
        arguments = [
            *TRAIN,
            f"--workdir={self.root / name}",
            f"--data_dir={self.root / 'data'}",
        ]
        if index is None:
            return commands.start("train", *arguments, "--strategy=one_device")
        task = {"type": "worker", "index": index}
        process = commands.start(
            "train",
            *arguments,
            "--strategy=multi_worker_mirrored",
            env={
                "TF_CONFIG": json.dumps({"cluster": self.cluster, "task": task})
            },
        )
        self.addCleanup(process.kill)
        return process

    def test_two_workers_have_the_losses_of_one_device(self):
        _, alone = commands.finish(self.start("alone"))
        workers = [self.start("both", index) for index in range(2)]
        told = [commands.finish(worker)[1] for worker in workers]

        losses = [
            re.findall(r"step \d+/\d+  loss ([\d.]+)", err)
            for err in (alone, told[0])
        ]
        self.assertLen(losses[0], STEPS)
        self.assertEqual(*losses)
        self.assertNotIn("loss", told[1])  # One of them tells.
        commands.check_same_checkpoint(
            self.root / "both", self.root / "alone", atol=1e-5
        )

    def test_a_worker_that_is_killed_and_restarted_resumes_the_job(self):
        workers = [self.start("killed", index) for index in range(2)]
        workdir = self.root / "killed"
        commands.kill_when(
            workers[1], lambda: commands.saved_step(workdir) >= 4
        )
        self.assertLess(commands.saved_step(workdir), STEPS)

        restarted = self.start("killed", 1)
        for worker in (workers[0], restarted):
            commands.finish(worker)

        commands.finish(self.start("alone"))
        commands.check_same_checkpoint(workdir, self.root / "alone", atol=1e-5)


if __name__ == "__main__":
    absltest.main()
