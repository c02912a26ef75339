"""The optimizers of tensorflow-addons, and the learning rate."""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer.experiment import schedule
from tf_autoformer.finetuning import finetuning_config

with warnings.catch_warnings():
    # It announces that this release is the last.
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa

_KERNEL = re.compile(r"kernel(/replica_\d+)?(:\d+)?$")


class Scaled(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A multiple of a schedule.

    Args:
      rates: Schedule.
      factor: Factor of its values.
    """

    def __init__(
        self,
        rates: tf.keras.optimizers.schedules.LearningRateSchedule,
        factor: float,
    ):
        super().__init__()
        self.rates = rates
        self.factor = factor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The value of a step, a float32 scalar."""
        return self.factor * self.rates(step)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"rates": self.rates, "factor": self.factor}


class _OfKernels:
    """Restricts the weight decay of tensorflow-addons to kernels.

    Its own `exclude_from_weight_decay` compares variables. It finds none within
    a replica of MirroredStrategy, and is not asked within MovingAverage.
    """

    def _do_use_weight_decay(self, variable: tf.Variable) -> bool:
        return _KERNEL.search(variable.name) is not None


class AdamW(_OfKernels, tfa.optimizers.AdamW):
    """AdamW that decays kernels only."""


class SGDW(_OfKernels, tfa.optimizers.SGDW):
    """SGD with decoupled weight decay of kernels only."""


def rates(
    recipe: finetuning_config.FinetuningConfig, steps_per_epoch: int
) -> schedule.WarmupCosine:
    """The learning rate of each step: linear warm-up, then cosine."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    return schedule.WarmupCosine(
        recipe.warmup_learning_rate,
        recipe.learning_rate,
        recipe.min_learning_rate,
        warmup,
        max(1, recipe.epochs * steps_per_epoch - warmup),
    )


def make(
    recipe: finetuning_config.FinetuningConfig,
    steps_per_epoch: int,
    variables: Sequence[tf.Variable],
) -> tf.keras.optimizers.legacy.Optimizer:
    """The optimizer of a recipe.

    A step takes `weight_decay` times its learning rate from a kernel, as in the
    training of a supernet. tensorflow-addons alone would take `weight_decay`
    itself, whatever the learning rate.

    Args:
      recipe: Optimizer, rates and length.
      steps_per_epoch: Number of steps of an epoch.
      variables: Variables to optimize.
    """
    rate = rates(recipe, steps_per_epoch)
    decay = Scaled(rate, recipe.weight_decay)
    if recipe.optimizer == "adamw":
        # The supernet's epsilon.
        optimizer = AdamW(decay, learning_rate=rate, epsilon=1e-8)
    else:
        optimizer = SGDW(decay, learning_rate=rate, momentum=recipe.momentum)
    if recipe.ema_decay:
        optimizer = tfa.optimizers.MovingAverage(
            optimizer, recipe.ema_decay, dynamic_decay=True
        )
    # MovingAverage cannot do it within the first step on several replicas.
    optimizer._create_all_weights(variables)
    return optimizer


def use_average(
    optimizer: tf.keras.optimizers.legacy.Optimizer, network: tf.keras.Model
) -> None:
    """Gives a network the averages of its weights, if there are any."""
    if isinstance(optimizer, tfa.optimizers.MovingAverage):
        optimizer.assign_average_vars(network.trainable_variables)
