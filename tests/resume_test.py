"""A training with everything on that is killed again and again."""

import pathlib
import random
import tempfile

from absl.testing import absltest

from tests.helpers import commands, processes

STEPS = 12


class ResumeTest(absltest.TestCase):
    def test_killed_three_times_it_ends_with_the_same_state_to_the_bit(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        arguments = commands.full_recipe(root, STEPS)

        def train(name: str):
            return processes.start(
                "train", *arguments, f"--workdir={name}", grappler=True
            )

        whole, killed = root / "whole", root / "killed"
        commands.finish(train(whole))
        steps = sorted(random.Random(0).sample(range(1, STEPS - 1), 3))

        for step in steps:
            commands.kill_when(
                train(killed),
                lambda step=step: commands.saved_step(killed) >= step,
            )
        _, err = commands.finish(train(killed))

        self.assertRegex(err, f"continuing at step .* of {STEPS}")
        commands.check_same_checkpoint(killed, whole)


if __name__ == "__main__":
    absltest.main()
