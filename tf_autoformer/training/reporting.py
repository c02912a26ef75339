"""What a training tells while it runs: progress lines and TensorBoard."""

import collections
import json
import logging
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
      step: how many were taken with it.
      paths: what it trained.
      metrics: what it reported.
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

    Args:
      recent: these steps.
      meter: of the steps.
      total_steps: of the training.
      recipe: what is trained with.
      writer: of TensorBoard's log.
    """
    last = recent[-1]
    learnt = [
        (path, float(loss))
        for done in recent
        for path, loss in zip(done.paths, done.metrics.losses, strict=True)
        if np.isfinite(loss)  # Else the update was skipped.
    ]
    # Of what learns from the labels.
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


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def require_finite(recent: Sequence[Done], latest: str) -> None:
    """Fails before a checkpoint of a broken training replaces a good one.

    Args:
      recent: steps since this was last asked.
      latest: the last checkpoint's path; empty if there is none.

    Raises:
      InputError: a loss or a gradient is not finite; the message names the
        step, what it trained and the checkpoint.
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
