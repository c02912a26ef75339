"""A trainer's parts reach each other: what is told to one is what it does."""

import contextlib
import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import devices, tiny
from tf_autoformer import errors, interruption
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import accuracy
from tf_autoformer.experiment import teacher
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.supernet import compilation, parts
from tf_autoformer.training import (
    checkpoint,
    distribution,
    loop,
    run_config,
    step,
    summaries,
)

BATCH = 64
STEPS = 2
# Nothing is reported, evaluated or saved but at the end.
RARE = {
    "log_every": 1000,
    "evaluate_every": 1000,
    "checkpoint_every": 1000,
    "watched_subnets": 0,
}

devices.prepare()


class WiringTest(tiny.DigitsTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "run"

    def trainer(self, run=None, replicas=1, **recipe) -> loop.Trainer:
        experiment = tiny.experiment(
            **{
                "epochs": STEPS * BATCH / 1149,
                "batch_size": BATCH,
                "warmup_epochs": 0,
                "learning_rate": 1e-3,
                **recipe,
            }
        )
        return loop.Trainer(
            dataclasses.replace(
                experiment, model=tiny.DIGITS_MODEL, space=tiny.SMALL_SPACE
            ),
            workdir_lib.Workdir(self.folder),
            self.data_dir,
            run_config.RunConfig(**RARE | (run or {})),
            tf.distribute.MirroredStrategy(
                [f"/cpu:{number}" for number in range(replicas)]
            ),
        )

    def spy(self, owner, name: str) -> mock.Mock:
        """Records the calls of a function that does what it did."""
        return self.enter_context(
            mock.patch.object(owner, name, wraps=getattr(owner, name))
        )


class PartsTest(WiringTest):
    def test_the_method_draws_and_teaches(self):
        steps = self.spy(step, "TrainStep")
        for method, paths in (("autoformer", 1), ("bignas", 4)):
            self.folder = self.folder.with_name(method)
            trainer = self.trainer(method=method)
            self.assertLen(trainer.state.sampler.sample(), paths)
            self.assertEqual(steps.call_args.args[2].method, method)

    def test_the_teacher_teaches(self):
        steps = self.spy(step, "TrainStep")
        with mock.patch.object(teacher, "Teacher") as made:
            self.trainer(teacher="/models/teacher")
        path, source = made.call_args.args
        self.assertEqual(path, "/models/teacher")
        self.assertEqual(source, datasets.source("digits"))
        self.assertIs(steps.call_args.args[3], made.return_value)

    @parameterized.parameters(
        ("float32", tf.float32, 1), ("mixed_float16", tf.float16, 2**15)
    )
    def test_the_precision_is_computed_in_and_scaled(self, name, dtype, scale):
        state = self.trainer(precision=name).state
        self.assertEqual(state.guard.scale.numpy(), scale)
        logits = state.supernet(
            tf.zeros([1, 8, 8, 3]), tiny.SMALL_SPACE.largest
        )
        self.assertEqual(state.supernet.compute_dtype, dtype)
        self.assertEqual(logits.dtype, tf.float32)

    @parameterized.parameters(0.0, 0.9)
    def test_the_average_of_the_weights_is_evaluated_on_validation(self, decay):
        evaluators = self.spy(accuracy, "Evaluator")
        trainer = self.trainer(ema_decay=decay)
        _, supernet, dataset, split = evaluators.call_args.args
        state = trainer.state
        self.assertIs(supernet, state.averaged if decay else state.supernet)
        self.assertIsNotNone(supernet)
        self.assertEqual(split, "validation")
        self.assertEqual(dataset.num_examples(split), 288)

    def test_the_limit_of_pixels_is_the_images(self):
        loads = self.spy(datasets, "load")
        self.trainer()
        made = workdir_lib.Workdir(self.folder).experiment
        self.folder = self.folder.with_name("limited")
        loop.Trainer(
            dataclasses.replace(made, max_image_pixels=64),
            workdir_lib.Workdir(self.folder),
            self.data_dir,
            run_config.RunConfig(),
            tf.distribute.get_strategy(),
        )
        limits = [call.args[2] for call in loads.call_args_list]
        self.assertEqual(limits, [89_478_485, 64])

    def test_the_seed_decides_weights_paths_and_images(self):
        batches = self.spy(pipeline, "training")
        found = []
        for seed in (3, 4):
            self.folder = self.folder.with_name(f"seed_{seed}")
            trainer = self.trainer(seed=seed)
            trainer._batches(tf.distribute.InputContext(), 5)
            self.assertEqual(batches.call_args.args[3], seed)
            self.assertEqual(batches.call_args.args[5], 5)
            found.append(
                (
                    [trainer.state.sampler.sample() for _ in range(5)],
                    trainer.state.supernet.trainable_variables[0].numpy(),
                )
            )
        (paths, weights), (others, other_weights) = found
        self.assertNotEqual(paths, others)
        self.assertGreater(np.abs(weights - other_weights).max(), 0)

    def test_how_to_run_reaches_the_images_and_the_summaries(self):
        batches = self.spy(pipeline, "training")
        self.enter_context(
            mock.patch.object(accuracy.Evaluator, "accuracy", return_value=0.5)
        )
        for told in (True, False):
            self.folder = self.folder.with_name(f"told_{told}")
            trainer = self.trainer(
                {"deterministic": told, "histograms": told, "profile": told}
            )
            trainer._batches(tf.distribute.InputContext(), 0)
            self.assertEqual(batches.call_args.args[7], told)
            with mock.patch.object(
                summaries.Summaries, "histograms"
            ) as histograms:
                trainer._evaluate(1, interruption.Deferral())
            self.assertEqual(histograms.called, told)
            with (
                mock.patch.object(
                    tf.profiler.experimental, "Profile"
                ) as wanted,
                contextlib.ExitStack() as profiling,
            ):
                for step in range(30):
                    trainer._profile(step, profiling)
            self.assertEqual(wanted.called, told)

    def test_xla_compiles_ahead_what_all_steps_need(self):
        ahead = self.enter_context(
            mock.patch.object(
                step.TrainStep, "compile_ahead", side_effect=KeyError("ahead")
            )
        )
        self.trainer()._compile(None, None)
        ahead.assert_not_called()
        self.folder = self.folder.with_name("compiled")
        with mock.patch.object(compilation, "in_use", return_value=True):
            trainer = self.trainer()
        with self.assertRaisesRegex(KeyError, "ahead"):
            trainer.train()
        images, targets, subnets = ahead.call_args.args
        self.assertEqual(images.shape, [BATCH, 8, 8, 3])
        self.assertEqual(targets.shape, [BATCH, 10])
        self.assertEqual(subnets, parts.samples(tiny.SMALL_SPACE))

    def test_parts_of_a_batch_count_in_the_check_of_shares(self):
        self.trainer(replicas=2, batch_size=8, accumulation=4)
        self.folder = self.folder.with_name("odd")
        with self.assertRaisesRegex(errors.InputError, "batch_size is 8; "):
            self.trainer(replicas=2, batch_size=8, accumulation=8)


class DataTest(WiringTest):
    def test_the_data_are_written_down_and_compared(self):
        self.trainer()
        workdir = workdir_lib.Workdir(self.folder)
        record = workdir.data_record
        self.assertEqual(record.source, datasets.source("digits"))
        splits = {
            name: dict(split, digest="other")
            for name, split in record.splits.items()
        }
        workdir.record(dataclasses.replace(record, splits=splits))
        with self.assertRaisesRegex(
            errors.InputError, "data.json: the train split has changed"
        ):
            self.trainer()


class TrainingTest(WiringTest):
    def setUp(self):
        super().setUp()
        self.enter_context(
            mock.patch.object(accuracy.Evaluator, "accuracy", return_value=0.5)
        )

    def test_what_is_not_sampled_keeps_its_first_value_in_the_average(self):
        trainer = self.trainer(ema_decay=0.999)
        smallest = tiny.SMALL_SPACE.smallest
        self.enter_context(
            mock.patch.object(
                trainer.state.sampler, "sample", return_value=(smallest,)
            )
        )
        pairs = list(
            zip(
                trainer.state.supernet.trainable_variables,
                trainer.state.averaged.trainable_variables,
                strict=True,
            )
        )
        before = [weight.numpy() for weight, _ in pairs]

        trainer.train()

        trained = 0
        for (weight, average), was in zip(pairs, before, strict=True):
            same = weight.numpy() == was
            np.testing.assert_array_equal(average.numpy()[same], was[same])
            trained += np.sum(~same)
        self.assertGreater(trained, 100)

    @parameterized.parameters(True, False)
    def test_a_worker_lost_at_the_end_matters_if_the_end_is_not_saved(
        self, saved
    ):
        trainer = self.trainer()
        lost = tf.errors.UnavailableError(None, None, "another has ended")
        self.enter_context(
            mock.patch.object(distribution, "wait_for_all", side_effect=lost)
        )
        if saved:
            trainer.train()
            return
        self.enter_context(
            mock.patch.object(checkpoint.TrainingCheckpoint, "save")
        )
        with self.assertRaises(tf.errors.UnavailableError):
            trainer.train()

    @parameterized.parameters(True, False)
    def test_steps_that_are_not_finite_are_skipped_if_so_told(self, skips):
        whole = pipeline.training

        def broken(*args, **kwargs):
            return whole(*args, **kwargs).map(
                lambda images, targets: (images * np.nan, targets)
            )

        self.enter_context(mock.patch.object(pipeline, "training", broken))
        trainer = self.trainer({"skip_nonfinite": skips})
        with (
            contextlib.nullcontext()
            if skips
            else self.assertRaisesRegex(errors.InputError, "loss is nan")
        ):
            trainer.train()
        self.assertEqual(trainer.state.guard.skipped.numpy(), STEPS * skips)


if __name__ == "__main__":
    absltest.main()
