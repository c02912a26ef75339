"""The training recipe, and how a training is run."""

import dataclasses
import math
from typing import Any, Literal, get_args

from tf_autoformer import errors

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Method = Literal["autoformer", "bignas"]
Strategy = Literal["mirrored", "one_device", "multi_worker_mirrored"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the supernet is trained (paper, section 4.1 and table 2).

    Attributes:
      epochs: passes over the training split.
      batch_size: images of one step, over all replicas.
      accumulation: parts of a replica's batch that are computed one after the
        other, for less memory.
      learning_rate: peak, at the end of the warm-up.
      base_batch_size: the peak is for so many images, and scaled in proportion
        to batch_size; 0 for no scaling.
      min_learning_rate: at the end of the cosine.
      warmup_epochs: linear growth from `warmup_learning_rate` to the peak.
      warmup_learning_rate: at step 0.
      weight_decay: decoupled; on kernels, not on biases, norms and
        embeddings.
      clip_norm: largest global norm of the gradients; 0 for no clipping.
      label_smoothing: share of the target spread over all classes.
      teacher: SavedModel whose likeliest class counts as half of the target
        (hard-label distillation); empty for none.
      ema_decay: of the weights' moving average, which is then evaluated,
        searched and exported in their place; 0 for none.
      method: which subnets a step trains: a uniform one ("autoformer"), or
        the largest with labels, the smallest and two uniform ones with what
        the largest predicts ("bignas").
      seed: of weights, architectures, data order and drop path.
      precision: of the matrix products, in training and in the search;
        weights, norms and sums are float32 in any.
    """

    epochs: float = 500
    batch_size: int = 1024
    accumulation: int = 1
    learning_rate: float = 1e-3
    base_batch_size: int = 0
    min_learning_rate: float = 1e-5
    warmup_epochs: float = 20
    warmup_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    clip_norm: float = 0.0
    label_smoothing: float = 0.1
    teacher: str = ""
    ema_decay: float = 0.0
    method: Method = "autoformer"
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        _check_choices(self)
        positive = ("epochs", "batch_size", "accumulation", "learning_rate")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                continue
            rule = "positive" if field.name in positive else "0 or more"
            allowed = value > 0 if field.name in positive else value >= 0
            if not allowed or math.isinf(value):
                raise errors.InputError(
                    f"{field.name} is {value}; it must be {rule}"
                )
        if self.warmup_epochs > self.epochs:
            raise errors.InputError(
                f"warmup_epochs is {self.warmup_epochs}; it must not exceed "
                f"epochs, {self.epochs}"
            )
        for field in ("min_learning_rate", "warmup_learning_rate"):
            if getattr(self, field) > self.peak_learning_rate:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must not exceed "
                    f"the peak learning rate, {self.peak_learning_rate}"
                )
        if self.seed >= 2**31:
            raise errors.InputError(
                f"seed is {self.seed}; it must be below 2**31"
            )
        for field in ("label_smoothing", "ema_decay"):
            if getattr(self, field) >= 1:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must be below 1"
                )

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of the warm-up."""
        if not self.base_batch_size:
            return self.learning_rate
        return self.learning_rate * self.batch_size / self.base_batch_size

    def steps(self, num_examples: int) -> int:
        """Steps of the whole training on so many training images."""
        return max(1, round(self.epochs * num_examples / self.batch_size))


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How a training is run and shown; its result does not depend on it.

    Attributes:
      strategy: all GPUs of this machine, or its CPU ("mirrored"); one of them
        ("one_device"); or several machines, each of which runs this command
        with its own TF_CONFIG ("multi_worker_mirrored").
      deterministic: whether a run follows from its seed to the bit; without,
        images may come in another order, a little faster.
      skip_nonfinite: skip an update whose loss or gradients are not finite,
        and count it, where training would stop.
      log_every: steps between progress lines and TensorBoard scalars.
      evaluate_every: steps between evaluations of the watched subnets.
      checkpoint_every: steps between checkpoints.
      watched_subnets: random subnets evaluated beside the smallest and the
        largest.
      histograms: show the weights' distribution at each evaluation.
      profile: profile the 11th to the 20th step from here, for TensorBoard.
    """

    strategy: Strategy = "mirrored"
    deterministic: bool = True
    skip_nonfinite: bool = False
    log_every: int = 100
    evaluate_every: int = 1000
    checkpoint_every: int = 500
    watched_subnets: int = 3
    histograms: bool = False
    profile: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        least = {
            "log_every": 1,
            "evaluate_every": 1,
            "checkpoint_every": 1,
            "watched_subnets": 0,
        }
        for field, low in least.items():
            if getattr(self, field) < low:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must be at least "
                    f"{low}"
                )


def _check_choices(config: Any) -> None:
    """Checks the fields of a Literal's type.

    Raises:
      InputError: one has none of its values.
    """
    for field in dataclasses.fields(config):
        choices = get_args(field.type)
        value = getattr(config, field.name)
        if choices and value not in choices:
            raise errors.InputError(
                f"{field.name} is {value!r}; it must be one of "
                f"{', '.join(choices)}"
            )
