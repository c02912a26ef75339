"""A whole experiment, out of what a command says of it."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import search_space

DEFAULT = experiment_lib.DEFAULT


def complete(
    workdir: workdir_lib.Workdir,
    *,
    dataset: str | None = None,
    space: search_space.SearchSpace | None = None,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    data_dir: str | None = None,
    max_image_pixels: int | None = None,
) -> experiment_lib.Experiment:
    """Completes an experiment by what its folder has, or else by the defaults.

    Args:
      workdir: Folder of the experiment, which may be new.
      dataset: Name of the data set. None if it is not said.
      space: Search space. None if it is not said.
      model: Fields of the network that are said, without the number of
        classes and channels, which the data set tells.
      training: Fields of the training recipe that are said.
      augmentation: Fields of the augmentation that are said.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      max_image_pixels: Largest number of pixels of an image. None if it is not
        said.

    Raises:
      InputError: A value breaks a rule, there is no such data set, or the
        folder's configuration is none of this program's or is that of a
        fine-tuned network.
    """
    if workdir.is_bound:
        workdir.require_supernet()
    base = workdir.experiment if workdir.is_bound else DEFAULT
    if dataset is None:
        dataset = base.dataset
    # A converted supernet has no recipe.
    recipe = dataclasses.replace(base.training or DEFAULT.training, **training)
    return experiment_lib.Experiment(
        dataset=dataset,
        model=dataclasses.replace(
            base.model,
            num_classes=datasets.source(dataset, data_dir).num_classes,
            channels=3,
            **model,
        ),
        space=space or base.space,
        training=_with_absolute_teacher(recipe),
        augmentation=dataclasses.replace(
            base.augmentation or DEFAULT.augmentation, **augmentation
        ),
        max_image_pixels=max_image_pixels or base.max_image_pixels,
    )


def _with_absolute_teacher(
    recipe: training_config.TrainingConfig,
) -> training_config.TrainingConfig:
    """The folder remembers the path, for commands that are run elsewhere."""
    if not recipe.teacher or "://" in recipe.teacher:
        return recipe
    teacher = os.path.abspath(os.path.expanduser(recipe.teacher))
    return dataclasses.replace(recipe, teacher=teacher)
