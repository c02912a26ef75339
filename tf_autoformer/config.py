"""What the flags say, as frozen dataclasses; nothing else reads flags."""

import dataclasses
import os
import pathlib
import re

from absl import flags

from tf_autoformer import command_line, errors, flag_fields
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.data.sources import datasets
from tf_autoformer.evaluation import standalone
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.official import conversion
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost, published, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.training import run_config

FLAGS = flags.FLAGS


def _path(text: str) -> pathlib.Path:
    return pathlib.Path(os.path.expanduser(text))


def workdir() -> workdir_lib.Workdir:
    """The folder of the supernet and of all made from it."""
    return workdir_lib.Workdir(_path(FLAGS.workdir))


def data_dir() -> str | None:
    """Where prepared data sets are kept; None for TFDS's default."""
    return FLAGS.data_dir


def name() -> str:
    """The name of the search.

    Raises:
      InputError: it is not a plain folder name.
    """
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", FLAGS.name):
        raise errors.InputError(
            f"name is {FLAGS.name!r}; it must be a plain folder name"
        )
    return FLAGS.name


def export_folder() -> pathlib.Path:
    """Where the subnet found is exported to.

    Raises:
      InputError: the version is not positive.
    """
    if FLAGS.version < 1:
        raise errors.InputError(
            f"version is {FLAGS.version}; it must be at least 1"
        )
    return workdir().export(FLAGS.version)


def image_size() -> model_lib.ImageSize | None:
    """The input's size; None if it is not given."""
    return FLAGS.image_size


def export_dir() -> pathlib.Path:
    """The folder to export to."""
    return _path(FLAGS.export_dir)


def architecture() -> architecture_lib.Architecture | None:
    """The architecture that is named; None if none is.

    Raises:
      InputError: the file is missing or not an architecture.
    """
    value = FLAGS.architecture
    if value is None:
        return None
    if value in published.NAMES:
        return published.load(value)
    path = _path(value)
    if path.suffix != ".json" and not path.exists():
        raise errors.InputError(
            f"architecture is {value!r}; it must be a JSON file or one of "
            f"{', '.join(published.NAMES)}"
        )
    return architecture_lib.Architecture.load(path)


def space(
    found: search_space.SearchSpace | None = None,
) -> search_space.SearchSpace | None:
    """The search space that is named, or else `found`.

    Raises:
      InputError: it is neither a name nor a JSON file of a search space.
    """
    value = FLAGS.search_space
    if found is not None and not FLAGS["search_space"].present:
        return found
    if value is None or value in search_space.SEARCH_SPACES:
        return search_space.SEARCH_SPACES.get(value)
    path = _path(value)
    if path.suffix != ".json":
        raise errors.InputError(
            f"search_space is {value!r}; it must be one of "
            f"{', '.join(search_space.SEARCH_SPACES)} or a .json file"
        )
    return search_space.SearchSpace.load(path)


def _found() -> experiment_lib.Experiment | None:
    """What the working folder was made with; None if it is new."""
    if FLAGS.workdir is None or not workdir().is_bound:
        return None
    return workdir().experiment


def _dataset() -> str | None:
    """The data set that is named, or the folder; None if neither is.

    Raises:
      InputError: both are given.
    """
    folder = FLAGS.image_folder
    if folder is None:
        return FLAGS.dataset
    if FLAGS["dataset"].present and FLAGS.dataset is not None:
        raise errors.InputError(
            f"image_folder is {folder!r} and dataset is {FLAGS.dataset!r}; "
            "only one of them can be given"
        )
    if "://" in folder:
        raise errors.InputError(
            f"image_folder is {folder!r}; it must be a folder of this machine"
        )
    return datasets.FOLDER + os.path.abspath(_path(folder))


def experiment() -> experiment_lib.Experiment:
    """What to train; a flag that is not given has the folder's value.

    Raises:
      InputError: a flag's value breaks a rule.
    """
    found = _found()
    dataset = _dataset()
    if FLAGS.image_folder is None:
        dataset = flag_fields.value("dataset", found)
    training = flag_fields.read(
        training_config.TrainingConfig, found and found.training
    )
    if training.teacher and "://" not in training.teacher:
        # The folder remembers it, for commands that are run elsewhere.
        teacher = os.path.abspath(_path(training.teacher))
        training = dataclasses.replace(training, teacher=teacher)
    return experiment_lib.Experiment(
        dataset=dataset,
        model=flag_fields.read(
            model_lib.ModelConfig,
            found and found.model,
            num_classes=datasets.source(dataset, data_dir()).num_classes,
            channels=3,
        ),
        space=space(found and found.space),
        training=training,
        augmentation=flag_fields.read(
            data_config.AugmentationConfig, found and found.augmentation
        ),
    )


def described() -> tuple[
    model_lib.ModelConfig, search_space.SearchSpace | None
]:
    """The network to describe an architecture of, and its search space.

    Raises:
      InputError: a flag's value breaks a rule.
    """
    found = _found()
    if FLAGS.workdir is not None and found is None:
        workdir().experiment  # noqa: B018 Says what is missing.
    model = flag_fields.read(
        model_lib.ModelConfig,
        found and found.model,
        channels=3,
        **{
            name: getattr(model_lib.ModelConfig, name)
            for name in command_line.NO_COST
        },
    )
    return model, space(found and found.space)


def evaluation_task() -> standalone.Task:
    """What to evaluate on what.

    Raises:
      InputError: the architecture's file is missing or damaged, or both a
        data set and a folder are given.
    """
    return standalone.Task(
        architecture=architecture(),
        dataset=_dataset(),
        split=FLAGS.split,
        image_size=FLAGS.image_size,
        batch_size=FLAGS.batch_size,
        data_dir=data_dir(),
    )


def picture() -> pathlib.Path | None:
    """The picture to draw, if any.

    Raises:
      InputError: it is no PNG file by its name.
    """
    if FLAGS.picture is None:
        return None
    path = _path(FLAGS.picture)
    if path.suffix.lower() != ".png":
        raise errors.InputError(
            f"picture is {FLAGS.picture!r}; it must be a .png file"
        )
    return path


def untold() -> conversion.Untold:
    """What an official checkpoint does not tell.

    Raises:
      InputError: the search space is unknown, or both a data set and a folder
        are given.
    """
    return conversion.Untold(
        _dataset(), space(), FLAGS.pooling, FLAGS.image_size
    )


def official_files() -> tuple[pathlib.Path | None, pathlib.Path | None]:
    """The official checkpoint to read, or else the one to make.

    Raises:
      InputError: a flag of the other direction is given.
    """
    for name in _OF_IMPORT if FLAGS.export_official is not None else _OF_EXPORT:
        if FLAGS[name].present:
            raise errors.InputError(
                f"{name} is {FLAGS[name].value}; it is of no use in this "
                "direction"
            )
    read, made = (
        None if path is None else _path(path)
        for path in (FLAGS.official_checkpoint, FLAGS.export_official)
    )
    return read, made


# Flags of `convert` that tell what only one direction needs.
_OF_IMPORT = (
    "dataset",
    "image_folder",
    "search_space",
    "pooling",
    "image_size",
)
_OF_EXPORT = ("architecture",)


def run() -> run_config.RunConfig:
    """How to run and show a training.

    Raises:
      InputError: a flag's value breaks a rule.
    """
    return flag_fields.read(run_config.RunConfig)


def evolution() -> algorithm.EvolutionConfig:
    """The parameters of the search."""
    return flag_fields.read(algorithm.EvolutionConfig)


def ranges() -> dict[str, constraint.Range]:
    """The bounded costs.

    Raises:
      InputError: a bound is not positive, or a minimum exceeds its maximum.
    """
    result = {}
    for each in cost.COSTS:
        name = each.name
        low, high = FLAGS[f"min_{name}"].value, FLAGS[f"max_{name}"].value
        if low is not None or high is not None:
            with errors.about(name):
                result[name] = constraint.Range(low, high)
    return result
