"""Working folders out of checkpoints of the official code, and the reverse."""

import dataclasses
import logging
import os

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data.sources import datasets, names
from tf_autoformer.experiment import data_record as record_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import weights as weights_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.official import inference, torch_file, weights
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import supernet as supernet_lib

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Untold:
    """Facts about a supernet that its weights do not tell. None: guess.

    Attributes:
      dataset: Name of the data set that it was trained on. Default: one with
        as many classes.
      max_image_pixels: Largest number of pixels of an image. Default: that of
        every new folder.
      space: Search space that it was trained for. If the space has an
        allocation, it must be that of the weights. Default: the paper's space
        of this size, or everything that fits.
      pooling: Input of the classification head. See `inference.infer`.
      image_size: Input size in pixels. See `inference.infer`.
    """

    dataset: str | None = None
    max_image_pixels: int | None = None
    space: search_space.SearchSpace | None = None
    pooling: model_lib.Pooling | None = None
    image_size: model_lib.ImageSize | None = None


def from_official(
    path: str | os.PathLike[str],
    workdir: workdir_lib.Workdir,
    untold: Untold,
) -> None:
    """Makes a working folder of an official supernet, whole or not at all.

    Args:
      path: Path of a `.pth` file of the official code.
      workdir: Folder to make.
      untold: Facts that the file does not tell.

    Raises:
      InputError: The file or `untold` is wrong, or the folder exists or
        cannot be written.
    """
    files.require_new(workdir.root)  # Now rather than when all is done.
    state, args = torch_file.read(path)
    with errors.about(path):
        model, allocation = inference.infer(
            state, args, untold.pooling, untold.image_size
        )
    name, source = _dataset(model.num_classes, untold.dataset)
    experiment = experiment_lib.Experiment(
        dataset=name,
        model=model,
        space=_space(allocation, untold.space),
        training=None,
        max_image_pixels=untold.max_image_pixels
        or experiment_lib.DEFAULT.max_image_pixels,
    )
    supernet = supernet_lib.Supernet(model, experiment.space)
    weights.load(supernet, state)
    with files.new_folder(workdir.root) as folder:
        partial = workdir_lib.Workdir(folder)
        partial.claim(experiment)
        partial.record(record_lib.DataRecord(source, {}))
        weights_lib.save(partial.checkpoints, supernet)
    _LOGGER.info(
        "%s: %s, classes of %s, search space %s",
        workdir.root,
        f"{cost.params(model, experiment.space.allocated):,} parameters",
        experiment.dataset,
        experiment.space.describe(),
    )


def _dataset(
    num_classes: int, wanted: str | None
) -> tuple[str, datasets.Source]:
    """The name and the source of the data set."""
    sources = {
        name: datasets.source(name)
        for name in (names.NAMES if wanted is None else [wanted])
    }
    fitting = [
        name
        for name, source in sources.items()
        if source.num_classes == num_classes
    ]
    if not fitting:
        found = ", ".join(
            f"{name} has {source.num_classes}"
            for name, source in sources.items()
        )
        raise errors.InputError(
            f"head.weight has {num_classes} classes; the data set must have as "
            f"many, but {found}; --dataset or --image_folder names another"
        )
    name, *others = fitting
    if wanted is None:
        _LOGGER.info(
            "the weights do not tell the data set; taken to be %s, of as many "
            "classes%s, for its labels and normalization; --dataset or "
            "--image_folder names another",
            name,
            f" as {', '.join(others)} has too" if others else "",
        )
    return name, sources[name]


def _space(
    allocation: search_space.Allocation,
    wanted: search_space.SearchSpace | None,
) -> search_space.SearchSpace:
    if wanted is not None:
        if wanted.allocation not in (None, allocation):
            raise errors.InputError(
                f"search_space is for a supernet of {wanted.allocation}; the "
                f"weights are of {allocation}"
            )
        return dataclasses.replace(wanted, allocation=allocation)
    for space in search_space.SEARCH_SPACES.values():
        if space.allocation == allocation:
            return space
    _LOGGER.info(
        "the weights do not tell the search space, and the size is none of "
        "the paper's; taken to be everything that fits, trained or not; "
        "--search_space names another"
    )
    return search_space.everything_in(allocation)


def to_official(
    workdir: workdir_lib.Workdir,
    path: str | os.PathLike[str],
    architecture: architecture_lib.Architecture | None = None,
) -> None:
    """Writes the supernet of a working folder as an official checkpoint.

    Args:
      workdir: Working folder of the supernet.
      path: Path of the `.pth` file to make.
      architecture: Subnet whose heads the official code must compute exactly.
        Used only if the QKV bias is not flat. See `weights.dump`.

    Raises:
      InputError: There is no supernet, the official code cannot compute it,
        or the file exists or cannot be written.
    """
    files.require_absent(path)  # Now rather than when all is done.
    trained = workdir.trained(tf.distribute.get_strategy())
    model, space = trained.supernet.model, trained.supernet.space
    heads = ()
    if architecture is not None:
        space.validate(architecture)
        heads = architecture.num_heads
    state = weights.dump(trained.supernet, heads)
    args = {
        "gp": model.pooling == "average",
        "relative_position": model.has_relative_keys,
        "max_relative_position": model.max_relative_offset,
        "no_abs_pos": not model.has_absolute_position,
        "change_qkv": True,
        "input_size": model.image_size,
        "patch_size": model.patch_size,
        "drop_path": model.drop_path,
    }
    torch_file.write(path, state, args)
    embed_dim = state["cls_token"].shape[2]
    _LOGGER.info(
        "%s: supernet of step %d; in the official code EMBED_DIM %d, DEPTH "
        "%d, NUM_HEADS %d, MLP_RATIO %g",
        path,
        trained.step,
        embed_dim,
        space.allocated.depth,
        embed_dim // weights.HEAD_DIM,
        space.allocated.mlp_ratio[0],
    )
    if model.qkv_bias_layout != "flat" and len(set(space.num_heads)) > 1:
        _LOGGER.warning(
            "the official code computes this supernet's subnets only for the "
            "heads of %s: its QKV bias has no layout for several numbers of "
            "heads; train with --qkv_bias_layout=flat for one that has",
            "the architecture named" if heads else "the largest subnet",
        )
