"""A training with everything on that is killed again and again."""

import pathlib
import random
import tempfile

from absl.testing import absltest

from tests.helpers import commands, processes, shared

STEPS = shared.FULL_RECIPE_STEPS


class ResumeTest(absltest.TestCase):
    def test_killed_three_times_it_ends_with_the_same_state_to_the_bit(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        killed = pathlib.Path(folder.name) / "killed"

        def train() -> processes.Process:
            return processes.start(
                "train",
                *shared.full_recipe(),
                f"--workdir={killed}",
                f"--data_dir={shared.digits()}",
            )

        steps = sorted(random.Random(0).sample(range(1, STEPS - 1), 3))

        for step in steps:
            commands.kill_when(
                train(),
                lambda step=step: commands.saved_step(killed) >= step,
            )
        _, err = commands.finish(train())

        self.assertRegex(err, f"continuing at step .* of {STEPS}")
        commands.check_same_checkpoint(killed, shared.whole_recipe())


if __name__ == "__main__":
    absltest.main()
