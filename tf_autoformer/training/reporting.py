"""What a training tells: its progress, TensorBoard, why it has stopped."""

import collections
import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tf_autoformer import errors, progress
from tf_autoformer.experiment import training_config
from tf_autoformer.space import sampling
from tf_autoformer.training import step as step_lib
from tf_autoformer.training import summaries

_LOGGER = logging.getLogger(__name__)


class Done(NamedTuple):
    """A step that was taken.

    Attributes:
      step: Number of steps taken, this one included.
      paths: Subnets that the step trained.
      metrics: Figures that the step reported.
    """

    step: int
    paths: sampling.Paths
    metrics: step_lib.StepMetrics


def report(
    recent: Sequence[Done],
    meter: progress.Meter,
    total_steps: int,
    recipe: training_config.TrainingConfig,
    writer: summaries.Summaries,
) -> None:
    """Tells of the steps since the last report.

    TensorBoard gets their means. The log gets a line unless there is a bar.

    Args:
      recent: Steps since the last report.
      meter: Meter of the steps.
      total_steps: Number of steps of the whole training.
      recipe: Training recipe.
      writer: Writer of TensorBoard's log.
    """
    last = recent[-1]
    learnt = [
        (path, float(loss))
        for done in recent
        for path, loss in zip(done.paths, done.metrics.losses, strict=True)
        if np.isfinite(loss)  # Else the update was skipped.
    ]
    # The first path's loss, which is with the labels.
    losses = [float(done.metrics.losses[0]) for done in recent]
    norms = [float(done.metrics.gradient_norm) for done in recent]
    speed, eta = meter.update(last.step)
    scalars = {
        "loss": _finite_mean(losses),
        "learning_rate": float(last.metrics.learning_rate),
        "gradient_norm": _finite_mean(norms),
        "images_per_second": speed * recipe.batch_size,
    }
    skipped = int(last.metrics.skipped)
    if meter.in_lines:
        _LOGGER.info(
            "step %d/%d  loss %.3f  lr %.2e  gradient norm %.2f  "
            "%.0f images/s  ETA %s%s",
            last.step,
            total_steps,
            *scalars.values(),
            eta,
            f"  skipped {skipped}" if skipped else "",
        )
    if skipped:
        scalars["skipped_updates"] = skipped
    if recipe.precision == "mixed_float16":
        scalars["loss_scale"] = float(last.metrics.loss_scale)
    by_choice = collections.defaultdict(list)
    for path, loss in learnt:
        by_choice[f"loss_by_depth/{path.depth}"].append(loss)
        by_choice[f"loss_by_embed_dim/{path.embed_dim}"].append(loss)
    writer.scalars(
        last.step,
        {f"training/{name}": value for name, value in scalars.items()}
        | {name: float(np.mean(each)) for name, each in by_choice.items()},
    )


def summary(recent: Sequence[Done], batch_size: int, speed: float) -> str:
    """Loss and speed in few words, for the progress bar.

    Args:
      recent: Steps since the last report, at least one.
      batch_size: Images of a step.
      speed: Steps per second.
    """
    # The first path's loss, which is with the labels.
    loss = _finite_mean([float(done.metrics.losses[0]) for done in recent])
    text = f"loss {loss:.3f}, {speed * batch_size:,.0f} images/s"
    skipped = int(recent[-1].metrics.skipped)
    return f"{text}, skipped {skipped}" if skipped else text


def interrupted(latest: str, folder: str | os.PathLike[str]) -> str:
    """What an interrupted training leaves behind, in one line.

    Args:
      latest: Path of the last checkpoint. Empty if there is none.
      folder: Working folder.
    """
    if not latest:
        return "interrupted; nothing is saved yet"
    step = latest.rsplit("-", 1)[1]
    return (
        f"interrupted; saved at step {step} in {folder}; the same command "
        "continues there"
    )


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def require_finite(recent: Sequence[Done], latest: str) -> None:
    """Fails before a checkpoint of a broken training replaces a good one.

    Args:
      recent: Steps since the last check.
      latest: Path of the last checkpoint. Empty if there is none.

    Raises:
      InputError: A loss or a gradient is not finite. The message names the
        step, the subnets that it trained and the checkpoint.
    """
    for step, paths, metrics in recent:
        found: Mapping[str, np.ndarray] = {"loss": np.sum(metrics.losses)}
        # A scale that is too large only skips an update.
        if float(metrics.loss_scale) <= 1:
            found = {**found, "gradient norm": metrics.gradient_norm}
        for name, value in found.items():
            if not np.isfinite(value):
                trained = ", ".join(json.dumps(p.to_dict()) for p in paths)
                good = latest or "none"
                raise errors.InputError(
                    f"the {name} is {float(value)} at step {step}, of "
                    f"{trained}; last good checkpoint: {good}; use "
                    "--skip_nonfinite to go on from there, or start again in "
                    "another workdir, for example with a smaller "
                    "learning_rate"
                )
