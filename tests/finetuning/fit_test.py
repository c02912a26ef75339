"""A fine-tuning makes a working folder, and goes on where it stopped."""

import contextlib
import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tests.helpers import commands, eager, tiny
from tf_autoformer import errors, files, progress, search
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.evaluation import standalone
from tf_autoformer.experiment import completion
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import callbacks, finetuning_config, fit
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.supernet import subnet as subnet_lib

SUBNET = architecture_lib.Architecture(12, 1, (2,), (0.5,))
RUN = finetuning_config.RunConfig(
    strategy="one_device", log_every=2, backup_every=1
)


class Crash(BaseException):
    """The end of a process."""


class FinetuningTest(tiny.WorkdirTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.task = finetuning_config.Task(
            finetuning_config.InitialConfig(
                supernet=self.workdir.root, architecture=SUBNET
            ),
            finetuning_config.FinetuningConfig(
                epochs=2,
                batch_size=575,  # Two steps of an epoch.
                learning_rate=0.02,
            ),
            augmentation_config.NONE,
            {"drop_path": 0.0},
        )

    def run_in(self, name: str, **fields) -> workdir_lib.Workdir:
        """The folder after a fine-tuning, opened anew."""
        recipe = dataclasses.replace(self.task.recipe, **fields)
        task = dataclasses.replace(self.task, recipe=recipe)
        workdir = workdir_lib.Workdir(self.folder / name)
        with eager.steps():
            fit.run(task, workdir, self.data_dir, RUN)
        return workdir_lib.Workdir(workdir.root)

    @contextlib.contextmanager
    def crash_after(self, steps: int):
        """Ends the body as a crash would, after some steps."""
        original = callbacks.Progress.on_train_batch_end
        taken = 0

        def crashing(callback, batch, logs=None):
            nonlocal taken
            taken += 1
            original(callback, batch, logs)
            if taken > steps:
                raise KeyboardInterrupt

        with (
            mock.patch.object(
                callbacks.Progress, "on_train_batch_end", crashing
            ),
            self.assertRaisesRegex(KeyboardInterrupt, "goes on from the last"),
        ):
            yield

    def test_after_crashes_the_result_is_the_same_and_is_a_folder(self):
        whole = self.run_in("whole")
        with self.crash_after(3):  # Within the second epoch.
            self.run_in("broken")
        with (
            mock.patch.object(
                callbacks.Progress, "on_test_begin", side_effect=Crash
            ),
            self.assertLogs("tf_autoformer", "INFO") as logs,
            self.assertRaises(Crash),
        ):
            self.run_in("broken")
        self.assertIn("continuing at step 3 of 4", "\n".join(logs.output))
        # Only the last epoch's evaluation is left.
        with self.assertLogs("tf_autoformer", "INFO") as logs:
            broken = self.run_in("broken")
        text = "\n".join(logs.output)
        self.assertIn("continuing at step 4 of 4", text)
        self.assertIn("epoch 2  validation accuracy", text)
        self.assertEqual(broken.validation_accuracy, whole.validation_accuracy)
        commands.check_same_checkpoint(broken.root, whole.root)

        self.assertCountEqual(
            [path.name for path in whole.root.iterdir()],
            [
                *("config.json", "data.json", "finetuning.json", ".lock"),
                *("checkpoints", "result.json", "tensorboard"),
            ],
        )
        self._check_folder(whole)

    def _check_folder(self, workdir: workdir_lib.Workdir) -> None:
        """It has one subnet, for whoever reads it, and is no supernet."""
        experiment = workdir.experiment
        self.assertEqual(experiment.architecture, SUBNET)
        self.assertEqual(experiment.subnet(None), SUBNET)
        self.assertEqual(experiment.space.num_heads, (2,))
        supernet = workdir.trained(tf.distribute.get_strategy()).supernet
        network = subnet_lib.inherit(supernet, SUBNET)
        images = tf.random.stateless_normal([4, 8, 8, 3], [0, 1])
        before = self.supernet(images, SUBNET)
        self.assertGreater(np.abs(network(images) - before).max(), 0.1)
        task = standalone.Task(split="validation", data_dir=self.data_dir)
        with eager.steps():
            lines = list(standalone.lines(workdir, task))
        self.assertRegex(lines[0], "^digits, validation split: 288 images at 8")
        accuracy = files.read_json(workdir.result)["validation_accuracy"]
        self.assertIn(f"{accuracy:.2%}", "\n".join(lines))

        smallest = tiny.SPACE.smallest
        with self.assertRaisesRegex(errors.InputError, "leave it out"):
            experiment.subnet(smallest)
        refusal = "is the folder of a network of one subnet"
        with self.assertRaisesRegex(errors.InputError, refusal):
            completion.complete(workdir, model={}, training={}, augmentation={})
        with self.assertRaisesRegex(errors.InputError, refusal):
            search.main(mock.Mock(workdir=workdir.root))

        with mock.patch.object(fit, "Finetuner") as again:
            self.run_in("whole")
        again.assert_not_called()
        with self.assertRaisesRegex(
            errors.InputError, "was made with recipe.epochs 2, now it is 3"
        ):
            self.run_in("whole", epochs=3)

    def test_the_best_weights_are_kept_over_a_crash(self):
        network = tf.keras.Sequential([tf.keras.layers.Dense(1)])
        network.build([None, 1])

        def best() -> callbacks.Best:
            return callbacks.Best(self.folder / "best", network)

        kernel, first = network.layers[0].kernel, best()
        for epoch, accuracy in enumerate((0.5, 0.7, 0.7)):
            kernel.assign([[epoch]])
            first.on_epoch_end(epoch, {"val_accuracy": accuracy})
        second = best()
        kernel.assign([[3.0]])
        second.on_epoch_end(3, {"val_accuracy": 0.6})
        second.on_epoch_end(3, {"loss": 1.0})
        second.restore()
        self.assertEqual(float(kernel[0, 0]), 1.0)

    def test_a_supernets_folder_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "is the folder of a supernet; .* another"
        ):
            fit.run(self.task, self.workdir, self.data_dir, RUN)

    def test_a_loss_that_is_no_number_ends_it_before_the_backup(self):
        meter = progress.Meter(0, 80, "images")
        shown = callbacks.Progress(meter, 0, 10, log_every=3, backup_every=2)
        for step in range(4):
            shown.on_train_batch_begin(step)
            shown.on_train_batch_end(step, {"loss": 1.0})
        shown.on_train_batch_end(4, {"loss": np.nan})  # Nobody asks for it.
        with self.assertRaisesRegex(
            errors.InputError, "the loss of step 6 is nan; lower learning_rate"
        ):
            shown.on_train_batch_end(5, {"loss": np.nan})
        # Nor is it kept at the end of an epoch.
        shown.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
        for logs in ({"loss": np.nan}, {"loss": 1.0, "val_loss": np.inf}):
            with self.assertRaisesRegex(
                errors.InputError, "loss of epoch 2 is (nan|inf)"
            ):
                shown.on_epoch_end(1, logs)

    def test_the_last_epoch_is_always_evaluated(self):
        with mock.patch.object(
            tf.keras.Model, "fit", autospec=True, side_effect=Crash
        ) as fitted:
            for every, due in ((2, [2, 4, 5]), (9, [5]), (1, [1, 2, 3, 4, 5])):
                how = dataclasses.replace(RUN, evaluate_every=every)
                recipe = dataclasses.replace(self.task.recipe, epochs=5)
                workdir = workdir_lib.Workdir(self.folder / f"due_{every}")
                with self.assertRaises(Crash):
                    fit.run(
                        dataclasses.replace(self.task, recipe=recipe),
                        workdir,
                        self.data_dir,
                        how,
                    )
                self.assertEqual(
                    fitted.call_args.kwargs["validation_freq"], due
                )

    def test_what_is_refused_leaves_no_file(self):
        task = dataclasses.replace(self.task, model={"patch_size": 2})
        folder = self.folder / "refused"
        with self.assertRaisesRegex(errors.InputError, "patch_size is 2"):
            fit.run(task, workdir_lib.Workdir(folder), self.data_dir, RUN)
        self.assertFalse(folder.exists())


if __name__ == "__main__":
    absltest.main()
