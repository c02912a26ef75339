"""The tiny network, search spaces and experiment of the tests."""

from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.space import model, search_space

MODEL = model.ModelConfig(
    num_classes=5,
    image_size=12,
    patch_size=4,
    head_dim=4,
    max_relative_offset=1,
    init_stddev=0.1,
)
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
# It has one depth, so that a training step has one trace.
SMALL_SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(2,), num_heads=(1, 2), mlp_ratios=(0.5, 1.0)
)


def experiment(**training) -> experiment_lib.Experiment:
    """An experiment on the digits, without augmentation.

    Args:
      **training: Fields of `TrainingConfig` that differ from the defaults.
    """
    return experiment_lib.Experiment(
        dataset="digits",
        model=MODEL,
        space=SPACE,
        training=training_config.TrainingConfig(**training),
        augmentation=augmentation_config.NONE,
    )
