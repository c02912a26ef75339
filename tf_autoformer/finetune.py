r"""Fine-tunes one subnet, or trains it from scratch, on any data set.

  python -m tf_autoformer.finetune --flagfile=flags/digits/finetune.flags \
      --supernet=runs/digits --architecture=FILE.json --workdir=DIR

The result is a working folder of its own for evaluate and export. The same
command run again continues where it stopped.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_autoformer import binary, flag_fields, shared_options
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import finetuning_config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Folders, shared_options.Images):
    """Flags of `finetune`.

    Attributes:
      workdir: Folder to make, of the network and of all that is made from it.
      dataset: Data set to train on. Default: the supernet's.
      initial: Origin of the network and of its first weights.
      model: Given fields of the network. The rest is as the weights were made.
      recipe: How it is trained.
      augmentation: How training images are changed.
      run: How the fine-tuning is run and shown.
    """

    initial: finetuning_config.InitialConfig
    model: Mapping[str, Any] = flag_fields.given(
        experiment_lib.DEFAULT.model,
        without=("num_classes", "channels", "qkv_bias_layout"),
    )
    recipe: finetuning_config.FinetuningConfig
    augmentation: augmentation_config.AugmentationConfig
    run: finetuning_config.RunConfig


def main(options: Options) -> None:
    """Fine-tunes to the last step, and writes the result."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.finetuning import fit

    fit.run(
        task(options),
        workdir_lib.Workdir(options.workdir),
        options.data_dir,
        options.run,
    )


def task(options: Options) -> finetuning_config.Task:
    """The task of the flags.

    Raises:
      InputError: A flag is missing or breaks a rule.
    """
    return finetuning_config.Task(
        options.initial,
        options.recipe,
        options.augmentation,
        options.model,
        options.dataset_name,
        options.max_image_pixels,
    )


if __name__ == "__main__":
    binary.run(main, Options)
