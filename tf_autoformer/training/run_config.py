"""How a training is run and shown."""

import dataclasses
from typing import Literal

from tf_autoformer import rules

Strategy = Literal["mirrored", "one_device", "multi_worker_mirrored"]


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How a training is run and shown, on which its result does not depend.

    Attributes:
      strategy: Devices to train on. "mirrored": all GPUs of this machine, or
        its CPU. "one_device": one of them. "multi_worker_mirrored": several
        machines, each of which runs this command with its own TF_CONFIG.
      deterministic: Whether the result follows from the seed to the bit.
        Otherwise images may come in another order, a little faster.
      skip_nonfinite: Whether to skip and count an update whose loss or
        gradients are not finite. Otherwise training stops there.
      log_every: Steps between progress lines and TensorBoard scalars.
      evaluate_every: Steps between evaluations of the watched subnets.
      checkpoint_every: Steps between checkpoints.
      watched_subnets: Number of random subnets that are evaluated beside the
        smallest and the largest.
      histograms: Whether to show the distribution of the weights at each
        evaluation.
      profile: Whether to profile the 11th to the 20th step from here, for
        TensorBoard.
    """

    strategy: Strategy = "mirrored"
    deterministic: bool = True
    skip_nonfinite: bool = False
    log_every: int = rules.field(100, rules.at_least(1))
    evaluate_every: int = rules.field(1000, rules.at_least(1))
    checkpoint_every: int = rules.field(500, rules.at_least(1))
    watched_subnets: int = rules.field(3, rules.at_least(0))
    histograms: bool = False
    profile: bool = False

    def __post_init__(self) -> None:
        rules.check(self)
