"""What a training tells of its steps, and when it stops."""

import json
import math
import re
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from tf_autoformer import errors, progress
from tf_autoformer.experiment import training_config
from tf_autoformer.space import architecture
from tf_autoformer.training import reporting, step

RECIPE = training_config.TrainingConfig(batch_size=4)
NAN = math.nan


def _path(embed_dim: int, depth: int) -> architecture.Architecture:
    return architecture.Architecture(
        embed_dim, depth, (1,) * depth, (1.0,) * depth
    )


def _done(number: int, losses: dict, **metrics) -> reporting.Done:
    """A step of (embed_dim, depth) -> loss."""
    values = {
        "gradient_norm": 1.0,
        "learning_rate": 1e-3,
        "loss_scale": 1.0,
        "skipped": 0.0,
        **metrics,
    }
    return reporting.Done(
        number,
        tuple(_path(*sizes) for sizes in losses),
        step.StepMetrics(
            np.float32([*losses.values()]),
            **{name: np.float32(value) for name, value in values.items()},
        ),
    )


def _report(recent: list, recipe=RECIPE) -> tuple[int, dict, str]:
    """The step, scalars and line of a report."""
    meter = mock.create_autospec(progress.Meter, instance=True)
    meter.update.return_value = (2.5, "0:01:00")
    writer = mock.Mock()
    with mock.patch.object(reporting, "_LOGGER") as logger:
        reporting.report(recent, meter, 90, recipe, writer)
    ((number, scalars),) = (call.args for call in writer.scalars.mock_calls)
    meter.update.assert_called_once_with(number)
    template, *values = logger.info.call_args.args
    return number, scalars, template % tuple(values)


class ReportTest(absltest.TestCase):
    def test_single_paths_means_are_of_the_steps_that_had_the_choice(self):
        number, scalars, line = _report(
            [
                _done(8, {(16, 1): 1.0}, gradient_norm=2.0),
                _done(9, {(32, 1): 2.0}, gradient_norm=4.0),
                _done(10, {(32, 2): 6.0}, learning_rate=5e-4),
            ]
        )

        self.assertEqual(number, 10)
        wanted = {
            "training/loss": 3.0,
            "training/gradient_norm": 7 / 3,
            "training/learning_rate": 5e-4,
            "training/images_per_second": 10.0,
            "loss_by_depth/1": 1.5,
            "loss_by_depth/2": 6.0,
            "loss_by_embed_dim/16": 1.0,
            "loss_by_embed_dim/32": 4.0,
        }
        self.assertEqual(scalars.keys(), wanted.keys())
        for name, value in wanted.items():
            self.assertAlmostEqual(scalars[name], value, msg=name)
        self.assertEqual(
            line,
            "step 10/90  loss 3.000  lr 5.00e-04  gradient norm 2.33  "
            "10 images/s  ETA 0:01:00",
        )

    def test_the_loss_is_the_first_paths_and_each_path_has_its_choice(self):
        _, scalars, line = _report(
            [
                _done(1, {(32, 2): 1.0, (16, 1): 5.0, (32, 1): 7.0}),
                _done(2, {(32, 2): 3.0, (16, 1): 9.0, (16, 2): 2.0}),
            ]
        )

        self.assertEqual(scalars["training/loss"], 2)
        self.assertIn("loss 2.000 ", line)
        self.assertEqual(scalars["loss_by_depth/2"], 2)  # 1, 3 and 2.
        self.assertEqual(scalars["loss_by_depth/1"], 7)  # 5, 7 and 9.
        self.assertAlmostEqual(scalars["loss_by_embed_dim/16"], 16 / 3)
        self.assertAlmostEqual(scalars["loss_by_embed_dim/32"], 11 / 3)

    def test_skipped_steps_are_told_and_in_no_mean(self):
        _, scalars, line = _report(
            [
                _done(1, {(16, 1): 2.0}, gradient_norm=3.0, skipped=4),
                _done(2, {(16, 1): NAN}, gradient_norm=NAN, skipped=5),
                _done(3, {(32, 2): NAN}, gradient_norm=math.inf, skipped=6),
            ]
        )

        self.assertEndsWith(line, "ETA 0:01:00  skipped 6")
        self.assertEqual(scalars["training/skipped_updates"], 6)
        self.assertEqual(scalars["training/loss"], 2)
        self.assertEqual(scalars["training/gradient_norm"], 3)
        self.assertEqual(scalars["loss_by_embed_dim/16"], 2)
        self.assertNotIn("loss_by_embed_dim/32", scalars)

    def test_of_skipped_steps_alone_there_is_no_mean(self):
        _, scalars, line = _report(
            [_done(1, {(16, 1): NAN}, gradient_norm=NAN, skipped=1)]
        )

        self.assertIn("loss nan", line)
        self.assertTrue(math.isnan(scalars["training/loss"]))

    def test_the_losss_scale_is_float16s_alone(self):
        recent = [_done(1, {(16, 1): 1.0}, loss_scale=1024.0)]
        half = training_config.TrainingConfig(precision="mixed_float16")

        self.assertNotIn("training/loss_scale", _report(recent)[1])
        self.assertEqual(_report(recent, half)[1]["training/loss_scale"], 1024)


class RequireFiniteTest(parameterized.TestCase):
    def _check(self, *recent: reporting.Done, latest: str = "") -> str:
        """The message of the failure."""
        with self.assertRaises(errors.InputError) as caught:
            reporting.require_finite(recent, latest)
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        return message

    def test_a_loss_names_its_step_its_subnet_and_the_checkpoint(self):
        message = self._check(
            _done(6, {(16, 1): 1.0}),
            _done(7, {(32, 2): NAN}),
            _done(8, {(16, 2): NAN}),
            latest="run/checkpoints/ckpt-5",
        )

        self.assertStartsWith(message, "the loss is nan at step 7, of {")
        (trained,) = re.findall(r"\{.*?\}", message)
        self.assertEqual(json.loads(trained), _path(32, 2).to_dict())
        self.assertIn("last good checkpoint: run/checkpoints/ckpt-5;", message)

    def test_a_gradient_alone_is_told_too(self):
        message = self._check(_done(3, {(16, 1): 1.0}, gradient_norm=math.inf))

        self.assertStartsWith(message, "the gradient norm is inf at step 3,")
        self.assertIn("last good checkpoint: none;", message)

    def test_every_path_of_the_step_is_named(self):
        message = self._check(_done(3, {(32, 2): 1.0, (16, 1): NAN}))

        self.assertLen(re.findall(r"\{.*?\}", message), 2)

    def test_an_overflow_that_only_halves_the_scale_is_none(self):
        reporting.require_finite(
            [
                _done(3, {(16, 1): 1.0}),
                _done(4, {(16, 1): 1.0}, gradient_norm=NAN, loss_scale=2.0),
            ],
            "",
        )

        self._check(_done(4, {(16, 1): NAN}, loss_scale=2.0))
        self._check(_done(4, {(16, 1): 1.0}, gradient_norm=NAN, loss_scale=1.0))


if __name__ == "__main__":
    absltest.main()
