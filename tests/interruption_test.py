"""Signals end the work in order, and messages say what is left of it."""

import contextlib
import dataclasses
import functools
import json
import logging
import os
import pathlib
import re
import signal
import tempfile
import threading
import unittest
from collections.abc import Callable
from unittest import mock

import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import commands, processes, shared
from tf_autoformer import errors, interruption
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.evaluation import accuracy
from tf_autoformer.evolution import algorithm, session
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space
from tf_autoformer.training import (
    checkpoint,
    distribution,
    loop,
    run_config,
    step,
)

SPACE = search_space.SearchSpace((8, 12), (1,), (1, 2), (1.0,))
STEPS = 8


def _send(number: int) -> None:
    os.kill(os.getpid(), number)


class SignalTest(parameterized.TestCase):
    """Python's own handlers are in place around each test."""

    def setUp(self):
        super().setUp()
        for number, handler in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL),
        ):
            self.addCleanup(
                signal.signal, number, signal.signal(number, handler)
            )

    def handlers(self) -> list:
        return [
            signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM)
        ]


class InterruptionTest(SignalTest):
    @parameterized.parameters(signal.SIGINT, signal.SIGTERM)
    def test_a_signal_is_raised_where_the_work_is(self, number):
        with (
            self.assertRaisesRegex(
                interruption.Interrupted, "^interrupted$"
            ) as caught,
            interruption.raised(),
        ):
            _send(number)
            self.fail("it must be raised")
        self.assertEqual(caught.exception.signal, number)

    def test_it_is_no_exception_that_a_library_takes_for_a_failure(self):
        with (
            self.assertRaises(KeyboardInterrupt),
            interruption.raised(),
            contextlib.suppress(Exception),
        ):
            _send(signal.SIGTERM)

    def test_the_first_signal_is_noted_and_the_second_acts(self):
        with interruption.raised(), interruption.Deferral() as stop:
            self.assertIsNone(stop.signal)
            with self.assertLogs("tf_autoformer") as caught:
                _send(signal.SIGTERM)
            self.assertEqual(stop.signal, signal.SIGTERM)
            (record,) = caught.records
            self.assertRegex(record.getMessage(), "^stopping after this step")
            with self.assertRaises(interruption.Interrupted) as second:
                _send(signal.SIGINT)
            self.assertEqual(second.exception.signal, signal.SIGINT)
            self.assertEqual(stop.signal, signal.SIGTERM)

    def test_former_handlers_are_restored(self):
        before = self.handlers()
        with interruption.raised():
            raising = self.handlers()
            with interruption.Deferral():
                self.assertNotIn(self.handlers()[0], raising)
            self.assertEqual(self.handlers(), raising)
            with interruption.immediate():
                self.assertEqual(self.handlers(), [signal.SIG_DFL] * 2)
            self.assertEqual(self.handlers(), raising)
        self.assertEqual(self.handlers(), before)

    def test_what_is_ignored_stays_ignored(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with interruption.raised(), interruption.Deferral() as stop:
            _send(signal.SIGINT)
        self.assertIsNone(stop.signal)

    def test_in_another_thread_nothing_is_deferred(self):
        found = []

        def work():
            with interruption.raised(), interruption.Deferral() as stop:
                found.append((stop.signal, self.handlers()))

        before = self.handlers()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(found, [(None, before)])

    @parameterized.parameters(
        (KeyboardInterrupt(), signal.SIGINT),
        (interruption.Interrupted(signal.SIGTERM), signal.SIGTERM),
    )
    def test_the_message_is_of_the_moment(self, raised, number):
        done = [0]
        with (
            self.assertRaisesRegex(
                interruption.Interrupted, "^2 done$"
            ) as caught,
            interruption.explained(lambda: f"{done[0]} done"),
        ):
            done[0] = 2
            raise raised
        self.assertEqual(caught.exception.signal, number)

    def test_a_worker_that_is_to_stop_does_not_wait_for_a_lost_one(self):
        lost = tf.errors.UnavailableError(None, None, "lost")
        for is_shared, stopped, seen in (
            (True, True, interruption.Interrupted),
            (True, False, tf.errors.UnavailableError),
            (False, True, tf.errors.UnavailableError),
        ):
            stop = interruption.Deferral()
            stop.signal = signal.SIGTERM if stopped else None
            with (
                self.subTest(f"{is_shared} {stopped}"),
                mock.patch.object(
                    distribution, "is_shared", return_value=is_shared
                ),
                self.assertRaises(seen),
                distribution.leaving(mock.Mock(), stop),
            ):
                raise lost

    @parameterized.parameters(KeyboardInterrupt, interruption.Interrupted)
    def test_an_interruption_is_no_lost_worker(self, kind):
        with (
            mock.patch.object(distribution, "is_shared", return_value=True),
            mock.patch.object(os, "execv") as execv,
            self.assertRaises(kind),
            distribution.rejoining(mock.Mock()),
        ):
            raise kind(signal.SIGINT)
        execv.assert_not_called()


@functools.cache
def _root() -> pathlib.Path:
    """A folder for all of them."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


@functools.cache
def _trained() -> pathlib.Path:
    """A working folder of a training that was not interrupted."""
    folder = _root() / "whole"
    _trainer(folder).train()
    return folder


def _trainer(folder: pathlib.Path, **run: int) -> loop.Trainer:
    """Prepares to train a tiny supernet."""
    rare = dict.fromkeys(
        ("log_every", "evaluate_every", "checkpoint_every"), 1000
    )
    return loop.Trainer(
        experiment_lib.Experiment(
            dataset="digits",
            model=model_lib.ModelConfig(
                num_classes=10, image_size=8, patch_size=4, head_dim=4
            ),
            space=SPACE,
            training=training_config.TrainingConfig(
                epochs=STEPS * 64 / 1149, batch_size=64, warmup_epochs=0.1
            ),
            augmentation=data_config.NONE,
        ),
        workdir_lib.Workdir(folder),
        str(shared.digits()),
        run_config.RunConfig(**rare | {"watched_subnets": 0} | run),
        tf.distribute.OneDeviceStrategy("/cpu:0"),
    )


class TrainedTest(SignalTest):
    """Trains a tiny supernet in this process."""

    def setUp(self):
        super().setUp()
        # Whoever counts correct labels is not to be waited for.
        self.evaluated = self.enter_context(
            mock.patch.object(accuracy.Evaluator, "accuracy", return_value=0.5)
        )

    def stopped(self, trainer: loop.Trainer, number: int) -> str:
        """Trains until a signal ends it, and returns the message."""
        with (
            interruption.raised(),
            self.assertRaises(interruption.Interrupted) as caught,
        ):
            trainer.train()
        self.assertEqual(caught.exception.signal, number)
        return str(caught.exception)

    def at_call(
        self, owner: type, method: str, call: int, do: Callable[[], None]
    ) -> contextlib.AbstractContextManager:
        """Has `do` run within the call of this number, from 1."""
        plain = getattr(owner, method)
        calls = []

        def counted(*args, **kwargs):
            calls.append(method)
            if len(calls) == call:
                do()
            return plain(*args, **kwargs)

        return mock.patch.object(owner, method, counted)


class TrainingTest(TrainedTest):
    def test_stopped_three_times_it_ends_with_the_same_state_to_the_bit(self):
        folder = _root() / "stopped"

        def continues(number: int) -> str:
            return (
                f"interrupted; saved at step {number} in {folder}; the same "
                "command continues there"
            )

        def terminate() -> None:
            _send(signal.SIGTERM)

        with self.at_call(step.TrainStep, "__call__", 3, terminate):
            message = self.stopped(_trainer(folder), signal.SIGTERM)
        self.assertEqual(message, continues(3))
        self.assertEqual(commands.saved_step(folder), 3)

        # In an evaluation, at a step that is saved anyway.
        trainer = _trainer(folder, evaluate_every=5, checkpoint_every=5)
        self.evaluated.reset_mock()
        self.evaluated.side_effect = lambda *_: _send(signal.SIGINT)
        with mock.patch.object(
            checkpoint.TrainingCheckpoint,
            "save",
            autospec=True,
            side_effect=checkpoint.TrainingCheckpoint.save,
        ) as save:
            message = self.stopped(trainer, signal.SIGINT)
        self.assertEqual(message, continues(5))
        self.assertEqual(commands.saved_step(folder), 5)
        self.evaluated.assert_called_once()  # Of two subnets.
        self.evaluated.side_effect = None
        save.assert_called_once()

        # The second signal ends it at once, without a step or a checkpoint.
        with self.at_call(
            step.TrainStep, "__call__", 1, lambda: (terminate(), terminate())
        ):
            message = self.stopped(_trainer(folder), signal.SIGTERM)
        self.assertEqual(message, continues(5))
        self.assertEqual(commands.saved_step(folder), 5)

        # At the last step it ends as if nothing had been.
        with (
            self.assertLogs("tf_autoformer") as caught,
            self.at_call(step.TrainStep, "__call__", STEPS - 5, terminate),
            interruption.raised(),
        ):
            _trainer(folder).train()
        lines = [record.getMessage() for record in caught.records]
        self.assertRegex(lines[2], f"^continuing at step 5 of {STEPS}")
        self.assertRegex(lines[-1], "^validation accuracy  smallest")
        commands.check_same_checkpoint(folder, _trained(), same_saves=False)

    def test_before_the_first_step_it_ends_at_once(self):
        folder = _root() / "early"
        with self.at_call(
            loop.Trainer, "_batches", 1, lambda: _send(signal.SIGTERM)
        ):
            message = self.stopped(_trainer(folder), signal.SIGTERM)
        self.assertEqual(message, "interrupted; nothing is saved yet")
        self.assertEqual(commands.saved_step(folder), 0)

    @parameterized.parameters("step", "evaluation")
    def test_what_is_not_finite_is_not_saved(self, where):
        folder = _root() / f"diverged_in_{where}"

        def diverged(*_):
            if where == "step":
                _send(signal.SIGTERM)
            one = tf.ones([])
            return step.StepMetrics(
                tf.fill([1], float("nan")), one, one, one, 0 * one
            )

        self.evaluated.side_effect = lambda *_: _send(signal.SIGTERM)
        with (
            mock.patch.object(step.TrainStep, "__call__", diverged),
            interruption.raised(),
            self.assertRaisesRegex(errors.InputError, "loss is nan at step 1"),
        ):
            _trainer(folder, evaluate_every=1).train()
        self.assertEqual(commands.saved_step(folder), 0)

    def test_a_worker_that_does_not_write_says_who_does(self):
        trainer = _trainer(_root() / "worker")
        with (
            mock.patch.object(distribution, "is_chief", return_value=False),
            self.at_call(
                loop.Trainer, "_batches", 1, lambda: _send(signal.SIGTERM)
            ),
        ):
            message = self.stopped(trainer, signal.SIGTERM)
        self.assertRegex(message, "^interrupted; the first worker saves;")


class SearchTest(TrainedTest):
    def test_an_interrupted_search_says_what_is_kept_and_frees_the_folder(self):
        folder = _trained()

        def search() -> session.Search:
            return session.Search(
                workdir_lib.Workdir(folder),
                "mine",
                algorithm.EvolutionConfig(
                    population=3,
                    generations=2,
                    parents=1,
                    crossovers=0,
                    mutations=1,
                ),
                {},
                str(shared.digits()),
                tf.distribute.OneDeviceStrategy("/cpu:0"),
            )

        first = search()
        with self.assertRaisesRegex(
            errors.InputError,
            f"search/mine is in use by process {os.getpid()}; wait",
        ):
            search()
        with (
            self.at_call(
                accuracy.Evaluator, "right", 2, lambda: _send(signal.SIGTERM)
            ),
            interruption.raised(),
            self.assertRaisesRegex(
                interruption.Interrupted,
                f"^interrupted; 3 candidates are kept in {folder}/search/mine; "
                "the same command continues there$",
            ),
        ):
            list(first.run())

        with self.assertLogs("tf_autoformer") as caught:
            *_, ranking = search().run()
        self.assertEqual(caught.records[0].getMessage(), "3 candidates known")
        self.assertLen(ranking, 4)


class CommandTest(TrainedTest):
    def test_a_training_that_is_told_to_stop_continues_where_it_stopped(self):
        folder, space = _root() / "run", _root() / "space.json"
        space.write_text(json.dumps(dataclasses.asdict(SPACE)))
        arguments = (
            f"--flagfile={commands.ROOT}/flags/digits/supernet.flags",
            f"--search_space={space}",
            f"--data_dir={shared.digits()}",
            "--epochs=100",
            "--log_every=1",
            "--checkpoint_every=1000000",
            f"--workdir={folder}",
        )
        first = processes.start("train", *arguments)
        self.addCleanup(first.kill)
        commands.wait_for_line(first, " step 2/")
        with self.assertRaisesRegex(
            errors.InputError, f"run is in use by process {first.pid}; wait"
        ):
            _trainer(folder)
        code, err = commands.stop(first, signal.SIGTERM)

        self.assertEqual(code, 143, err)
        self.assertNotIn("%|", err)  # There is no bar without a terminal.
        *_, message = err.splitlines()
        saved = int(re.match("interrupted; saved at step (.*) in", message)[1])
        self.assertGreaterEqual(saved, 2)
        self.assertEqual(commands.saved_step(folder), saved)

        again = processes.start("train", *arguments)
        self.addCleanup(again.kill)
        commands.wait_for_line(again, f"continuing at step {saved} of")
        code, err = commands.stop(again, signal.SIGTERM)
        self.assertEqual(code, 143, err)
        self.assertRegex(err, rf"interrupted; saved at step \d+ in {folder};")


if __name__ == "__main__":
    logging.getLogger("tf_autoformer").setLevel(logging.INFO)
    absltest.main()
