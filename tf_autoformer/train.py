r"""Trains a supernet.

  python -m tf_autoformer.train --flagfile=flags/digits/supernet.flags \
      --workdir=DIR

The same command run again continues where it stopped. Then --workdir alone is
enough.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_autoformer import binary, flag_fields, shared_options
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import search_space as search_space_lib
from tf_autoformer.training import run_config

_DEFAULT = experiment_lib.DEFAULT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(
    shared_options.Folders, shared_options.Images, shared_options.Compilation
):
    """Flags of `train`.

    A flag that is not given has the value of the working folder. The defaults
    are for a new folder.

    Attributes:
      dataset: Data set to train on. Default for a new folder: digits.
      search_space: Architectures of the supernet. Default for a new folder:
        tiny.
      model: Given fields of the network. The data set tells the others.
      training: Given fields of the training recipe.
      augmentation: Given fields of the augmentation.
      run: How the training is run and shown.
    """

    search_space: search_space_lib.SearchSpace | None = None
    model: Mapping[str, Any] = flag_fields.given(
        _DEFAULT.model, without=("num_classes", "channels")
    )
    training: Mapping[str, Any] = flag_fields.given(_DEFAULT.training)
    augmentation: Mapping[str, Any] = flag_fields.given(_DEFAULT.augmentation)
    run: run_config.RunConfig


def main(options: Options) -> None:
    """Trains to the last step."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.supernet import compilation, parallel
    from tf_autoformer.training import distribution, loop

    compilation.use(options.compile, options.compile_cache, options.tf32)
    parallel.use_cores()
    workdir = workdir_lib.Workdir(options.workdir)
    strategy = distribution.make(options.run.strategy)
    with distribution.rejoining(strategy):
        loop.Trainer(
            experiment(options, workdir),
            workdir,
            options.data_dir,
            options.run,
            strategy,
        ).train()


def experiment(
    options: Options, workdir: workdir_lib.Workdir
) -> experiment_lib.Experiment:
    """The experiment of the flags, completed by the working folder.

    Raises:
      InputError: A value breaks a rule. See `completion.complete`.
    """
    from tf_autoformer.experiment import completion  # Late, as above.

    return completion.complete(
        workdir,
        dataset=options.dataset_name,
        space=options.search_space,
        model=options.model,
        training=options.training,
        augmentation=options.augmentation,
        data_dir=options.data_dir,
        max_image_pixels=options.max_image_pixels,
    )


if __name__ == "__main__":
    binary.run(main, Options)
