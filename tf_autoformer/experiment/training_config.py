"""The training recipe."""

import dataclasses
from typing import Literal

from tf_autoformer import errors, rules
from tf_autoformer.experiment import methods

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How the supernet is trained (paper, section 4.1 and table 2).

    Attributes:
      epochs: Passes over the training split.
      batch_size: Images per step, over all replicas.
      accumulation: Number of parts that a replica's batch is computed in, one
        after the other. More parts need less memory.
      learning_rate: Peak learning rate, reached at the end of the warm-up.
      base_batch_size: Batch size that `learning_rate` is meant for. The peak
        is scaled by batch_size / base_batch_size. 0: no scaling.
      min_learning_rate: Learning rate at the end of the cosine.
      warmup_epochs: Length of the linear growth from `warmup_learning_rate`
        to the peak, in epochs.
      warmup_learning_rate: Learning rate at step 0.
      weight_decay: Decoupled weight decay. It applies to kernels, not to
        biases, norms and embeddings.
      clip_norm: Largest global norm of the gradients. 0: no clipping.
      label_smoothing: Share of the target that is spread over all classes.
      teacher: SavedModel of a classifier. Its likeliest class counts as half
        of the target (hard-label distillation). Empty: no teacher.
      ema_decay: Decay of the moving average of the weights. The average is
        evaluated, searched and exported in place of the weights. The decay of
        a weight grows to this value with the weight's number of updates. 0: no
        average.
      method: Subnets that a step trains. "autoformer": one uniform subnet.
        "bignas": the largest with the labels, then the smallest and two
        uniform ones with the predictions of the largest.
      seed: Seed of weights, architectures, data order and drop path.
      precision: Precision of the matrix products, in training and in the
        search. Weights, norms and sums are always float32.
    """

    epochs: float = rules.field(500.0, rules.POSITIVE)
    batch_size: int = rules.field(1024, rules.POSITIVE)
    accumulation: int = rules.field(1, rules.POSITIVE, before=1)
    learning_rate: float = rules.field(1e-3, rules.POSITIVE)
    base_batch_size: int = rules.field(0, rules.NOT_NEGATIVE, before=0)
    min_learning_rate: float = rules.field(1e-5, rules.NOT_NEGATIVE)
    warmup_epochs: float = rules.field(20.0, rules.NOT_NEGATIVE)
    warmup_learning_rate: float = rules.field(1e-6, rules.NOT_NEGATIVE)
    weight_decay: float = rules.field(0.05, rules.NOT_NEGATIVE)
    clip_norm: float = rules.field(0.0, rules.NOT_NEGATIVE, before=0.0)
    label_smoothing: float = rules.field(
        0.1, rules.NOT_NEGATIVE, rules.below(1)
    )
    teacher: str = rules.field(
        "", rules.UTF8_PATH, rules.LITERAL_PATH, before=""
    )
    ema_decay: float = rules.field(
        0.0, rules.NOT_NEGATIVE, rules.below(1), before=0.0
    )
    method: str = rules.field(
        "autoformer", choices=tuple(methods.METHODS), before="autoformer"
    )
    seed: int = rules.field(0, *rules.SEED)
    precision: Precision = rules.field("float32", before="float32")

    def __post_init__(self) -> None:
        rules.check(self)
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

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of the warm-up."""
        if not self.base_batch_size:
            return self.learning_rate
        return self.learning_rate * self.batch_size / self.base_batch_size

    def steps(self, num_examples: int) -> int:
        """The number of steps on this number of training images."""
        return max(1, round(self.epochs * num_examples / self.batch_size))
