"""The training recipe."""

import dataclasses
import math
from typing import Literal, get_args

from tf_autoformer import errors

Precision = Literal["float32", "mixed_bfloat16"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the supernet is trained (paper, section 4.1 and table 2).

    Attributes:
      epochs: passes over the training split.
      batch_size: images of one step, over all replicas.
      learning_rate: peak, at the end of the warm-up.
      min_learning_rate: at the end of the cosine.
      warmup_epochs: linear growth from `warmup_learning_rate` to the peak.
      warmup_learning_rate: at step 0.
      weight_decay: decoupled; on kernels, not on biases, norms and
        embeddings.
      label_smoothing: share of the target spread over all classes.
      seed: of weights, architectures, data order and drop path.
      precision: of the matrix products, in training and in the search;
        weights, norms and sums are float32 in either.
    """

    epochs: float = 500
    batch_size: int = 1024
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-5
    warmup_epochs: float = 20
    warmup_learning_rate: float = 1e-6
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "learning_rate")
        if self.precision not in get_args(Precision):
            raise errors.InputError(
                f"precision is {self.precision!r}; it must be one of "
                f"{', '.join(get_args(Precision))}"
            )
        for field in dataclasses.fields(self):
            if field.name == "precision":
                continue
            value = getattr(self, field.name)
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
            if getattr(self, field) > self.learning_rate:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must not exceed "
                    f"learning_rate, {self.learning_rate}"
                )
        if self.seed >= 2**31:
            raise errors.InputError(
                f"seed is {self.seed}; it must be below 2**31"
            )
        if self.label_smoothing >= 1:
            raise errors.InputError(
                f"label_smoothing is {self.label_smoothing}; it must be below 1"
            )

    def steps(self, num_examples: int) -> int:
        """Steps of the whole training on so many training images."""
        return max(1, round(self.epochs * num_examples / self.batch_size))
