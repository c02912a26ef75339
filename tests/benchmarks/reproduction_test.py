"""The reproduction: its commands, its order, and the fault that it plants."""

import dataclasses
import importlib
import pathlib
import signal
import subprocess
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from benchmarks import reproduction
from tests.helpers import options, tiny
from tf_autoformer import errors, interruption
from tf_autoformer.experiment import workdir as workdir_lib


class ReproductionTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.options = reproduction.Options(
            output=self.root / "out", docs=self.root / "docs", jobs=3
        )

    def run_main(self, wait=lambda command: 0):
        """The commands that were run, whose exit codes are what `wait` says."""

        def start(command, **_):
            started = mock.MagicMock()
            started.__enter__.return_value.wait.side_effect = lambda: wait(
                command
            )
            return started

        with (
            mock.patch.object(reproduction, "plant") as self.planted,
            mock.patch.object(
                subprocess, "Popen", side_effect=start
            ) as self.started,
        ):
            reproduction.main(self.options)
        return [call.args[0] for call in self.started.call_args_list]

    def test_every_command_is_one_that_its_binary_takes(self):
        for _, module, *flags in [command[1:] for command in self.run_main()]:
            binary = importlib.import_module(module)
            with self.subTest(flags):
                found = options.parse(binary.Options, *flags)
                if module.endswith("train"):
                    self.assertEqual(found.training["epochs"] % 60, 0)
                if module.endswith("analyze") and found.what != "structure":
                    self.assertEqual(found.jobs, 3)

    def test_a_supernet_of_each_fold_has_a_seed_of_its_own(self):
        commands = self.run_main()

        trained = [c for c in commands if c[2].endswith(".train")]
        self.assertLen(trained, 6)
        for number, command in enumerate(trained):
            fold = number % 3 + 1
            self.assertIn(f"--dataset=digits_folds/{fold}", command)
            self.assertIn(f"--seed={fold}", command)

    def test_it_continues_behind_the_last_step_that_succeeded(self):
        with self.assertRaisesRegex(errors.InputError, "step fold_2 has fail"):
            self.run_main(lambda command: "--dataset=digits_folds/2" in command)

        commands = self.run_main()

        self.assertIn("--dataset=digits_folds/2", commands[0])
        self.assertEqual(
            [call.args[1].root.name for call in self.planted.call_args_list],
            ["planted_1", "planted_2", "planted_3"],
        )
        self.assertEqual(self.run_main(), [])

    def test_an_interruption_waits_for_the_step_to_save(self):
        waits = iter([interruption.Interrupted(signal.SIGTERM), 0])

        def wait(_):
            if isinstance(found := next(waits), BaseException):
                raise found
            return found

        with self.assertRaises(interruption.Interrupted):
            self.run_main(wait)

        self.assertIsNone(next(waits, None))
        self.assertFalse((self.root / "out" / "done" / "fold_1").exists())

    def test_tables_and_pictures_are_copied(self):
        made = self.root / "out" / "ranking"
        made.mkdir(parents=True)
        for name in ("ranking.md", "ranking.png", "results.jsonl"):
            (made / name).touch()

        self.run_main()

        self.assertCountEqual(
            [path.name for path in (self.root / "docs").iterdir()],
            ["ranking.md", "ranking.png"],
        )


class PlantTest(tiny.WorkdirTest):
    def test_the_last_two_blocks_are_shuffled_and_nothing_else(self):
        good = dataclasses.replace(self.workdir.experiment)
        bad = workdir_lib.Workdir(f"{self.root}/bad")

        reproduction.plant(self.workdir, bad, self.data_dir)

        self.assertEqual(bad.experiment, good)
        found = bad.trained(tf.distribute.get_strategy(), self.data_dir)
        self.assertEqual(found.step, 0)
        shuffled = []
        for before, after in zip(
            self.supernet.trainable_variables,
            found.supernet.trainable_variables,
            strict=True,
        ):
            np.testing.assert_array_equal(
                np.sort(before, axis=None), np.sort(after, axis=None)
            )
            if not np.array_equal(before, after):
                shuffled.append(id(after))
        # The tiny supernet has two blocks. A bias of zeros stays as it is.
        blocks = {
            id(each)
            for block in found.supernet.blocks
            for each in block.trainable_variables
            if len(np.unique(each)) > 1
        }
        self.assertEqual(set(shuffled), blocks)


if __name__ == "__main__":
    absltest.main()
