"""The state of a training: everything that it changes."""

import dataclasses

import tensorflow as tf

from tf_autoformer.experiment import methods, schedule, training_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import average as average_lib
from tf_autoformer.training import guard as guard_lib
from tf_autoformer.training import optimizer as optimizer_lib

# Weights without weight decay, by name: all but kernels.
_NO_DECAY = ["bias", "gamma", "beta", "embedding", "vertical", "horizontal"]


@dataclasses.dataclass(frozen=True, eq=False)
class TrainState:
    """Everything that a training changes, and that its checkpoint holds.

    Attributes:
      supernet: Weights in training.
      optimizer: Moments and step count.
      sampler: Source of the paths of each step.
      guard: Loss scale, and count of skipped updates.
      averaged: Supernet that holds the moving average of the weights. None if
        the recipe has none.
      average: Update of `averaged`. None if the recipe has none.
    """

    supernet: supernet_lib.Supernet
    optimizer: optimizer_lib.EntangledAdamW
    sampler: sampling.Sampler
    guard: guard_lib.Guard
    averaged: supernet_lib.Supernet | None = None
    average: average_lib.EntangledAverage | None = None

    @classmethod
    def create(
        cls,
        model: model_lib.ModelConfig,
        space: search_space.SearchSpace,
        recipe: training_config.TrainingConfig,
        strategy: tf.distribute.Strategy,
        num_examples: int,
        skip_nonfinite: bool = False,
        compiled: bool | None = None,
        subnet: architecture_lib.Architecture | None = None,
    ) -> "TrainState":
        """The state before the first step.

        Args:
          model: Fixed part of the network.
          space: Architectures of the supernet.
          recipe: Training recipe. Its seed decides the weights.
          strategy: Strategy to create the variables under.
          num_examples: Number of training images, for the learning rate.
          skip_nonfinite: Whether updates that are not finite are skipped.
          compiled: Whether XLA compiles network and updates. None: as
            `compilation.use` has decided.
          subnet: Subnet that every step trains. None: the recipe's method
            draws the subnets.
        """
        tf.keras.utils.set_random_seed(recipe.seed)
        averaged, average = None, None
        with strategy.scope():
            supernet = supernet_lib.Supernet(
                model, space, recipe.precision, compiled
            )
            compiled = supernet.compiled
            variables = supernet.trainable_variables
            optimizer = make_optimizer(recipe, num_examples, compiled)
            optimizer.build(variables)
            guard = guard_lib.Guard(
                scales=recipe.precision == "mixed_float16",
                skips=skip_nonfinite,
            )
            if recipe.ema_decay:
                averaged = supernet_lib.Supernet(
                    model, space, recipe.precision, compiled
                )
                average = average_lib.EntangledAverage(
                    variables,
                    averaged.trainable_variables,
                    recipe.ema_decay,
                    compiled,
                )
        draw = methods.METHODS[recipe.method].draw
        if subnet is not None:
            draw = methods.always(subnet)
        sampler = sampling.Sampler(space, recipe.seed, draw)
        return cls(supernet, optimizer, sampler, guard, averaged, average)

    @property
    def evaluated(self) -> supernet_lib.Supernet:
        """The weights to evaluate: their moving average if there is one."""
        return self.supernet if self.averaged is None else self.averaged


def make_optimizer(
    recipe: training_config.TrainingConfig,
    num_examples: int,
    compiled: bool = False,
) -> optimizer_lib.EntangledAdamW:
    """AdamW with linear warm-up and cosine decay of the learning rate.

    Only kernels have weight decay.

    Args:
      recipe: Learning rates, weight decay and length of the training.
      num_examples: Number of training images.
      compiled: Whether XLA compiles the updates.
    """
    warmup = round(recipe.warmup_epochs * num_examples / recipe.batch_size)
    rates = schedule.WarmupCosine(
        recipe.warmup_learning_rate,
        recipe.peak_learning_rate,
        recipe.min_learning_rate,
        warmup,
        max(1, recipe.steps(num_examples) - warmup),
    )
    optimizer = optimizer_lib.EntangledAdamW(
        rates, recipe.weight_decay, compiled=compiled
    )
    optimizer.exclude_from_weight_decay(var_names=_NO_DECAY)
    return optimizer
