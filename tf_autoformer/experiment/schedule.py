"""The learning rate over a training."""

from typing import Any

import tensorflow as tf

_Schedule = tf.keras.optimizers.schedules.LearningRateSchedule


class WarmupCosine(_Schedule):
    """Linear warm-up, then cosine decay.

    `tf.keras.optimizers.schedules.CosineDecay` has the same values, but
    chooses between them by `tf.cond`, for which a GPU is waited for.

    Args:
      start: Learning rate of the first step.
      peak: Learning rate after the warm-up.
      end: Learning rate of the last step.
      warmup_steps: Number of steps of the warm-up.
      decay_steps: Number of steps of the decay.
    """

    def __init__(
        self,
        start: float,
        peak: float,
        end: float,
        warmup_steps: int,
        decay_steps: int,
    ):
        super().__init__()
        self.start = start
        self.peak = peak
        self.end = end
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps
        self._decay = tf.keras.optimizers.schedules.CosineDecay(
            peak, decay_steps, alpha=end / peak
        )

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate of a step, a float32 scalar."""
        step, length = tf.cast(step, tf.float32), float(self.warmup_steps)
        warmup = (self.peak - self.start) * (step / length) + self.start
        return tf.where(step < length, warmup, self._decay(step - length))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "start": self.start,
            "peak": self.peak,
            "end": self.end,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
        }
