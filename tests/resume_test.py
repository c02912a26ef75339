"""A training with everything on that is killed again and again."""

import pathlib
import random
import tempfile

from absl.testing import absltest

from tests import commands

STEPS = 24
# The full recipe: its parts' state and randomness must all continue.
TRAIN = (
    f"--flagfile={commands.ROOT / 'flags' / 'digits' / 'full_recipe.flags'}",
    f"--epochs={STEPS * 64 / 1149}",
    "--warmup_epochs=0.2",
    "--ema_decay=0.9",
    "--clip_norm=1",
    "--accumulation=2",
    "--log_every=1",
    "--checkpoint_every=1",
    "--watched_subnets=0",
)


class ResumeTest(absltest.TestCase):
    def test_killed_three_times_it_ends_with_the_same_state_to_the_bit(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        arguments = (*TRAIN, f"--data_dir={root / 'data'}")
        whole, killed = root / "whole", root / "killed"
        commands.finish(
            commands.start("train", *arguments, f"--workdir={whole}")
        )
        steps = sorted(random.Random(0).sample(range(2, STEPS - 2), 3))

        for step in steps:
            commands.kill_when(
                commands.start("train", *arguments, f"--workdir={killed}"),
                lambda step=step: commands.saved_step(killed) >= step,
            )
        _, err = commands.finish(
            commands.start("train", *arguments, f"--workdir={killed}")
        )

        self.assertRegex(err, f"continuing at step .* of {STEPS}")
        commands.check_same_checkpoint(killed, whole)


if __name__ == "__main__":
    absltest.main()
