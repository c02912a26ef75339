"""The command line: which flags each binary has."""

import typing

from absl import flags

from tf_autoformer import flag_fields
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.data.sources import datasets
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import training_config
from tf_autoformer.space import cost, published, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.training import run_config

# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()


def _define_workdir() -> None:
    flags.DEFINE_string(
        "workdir", None, "Folder of the supernet and all made from it."
    )
    flags.mark_flag_as_required("workdir")


def _define_data_dir() -> None:
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of prepared data sets, local or of a bucket; "
        "~/tensorflow_datasets by default.",
    )


def define_train() -> None:
    """Defines the flags of `train`."""
    _define_workdir()
    _define_data_dir()
    _define_dataset("digits")
    _define_search_space("tiny")
    flag_fields.define(model_lib.ModelConfig, given=("num_classes", "channels"))
    flag_fields.define(training_config.TrainingConfig)
    flag_fields.define(data_config.AugmentationConfig)
    flag_fields.define(run_config.RunConfig)


def define_search() -> None:
    """Defines the flags of `search`."""
    _define_workdir()
    _define_data_dir()
    flags.DEFINE_string(
        "name", "default", "The search's folder is WORKDIR/search/NAME."
    )
    for each in cost.COSTS:
        name, text = each.name, each.help
        flags.DEFINE_float(f"max_{name}", None, f"At most so many {text}.")
        flags.DEFINE_float(f"min_{name}", None, f"At least so many {text}.")
    flag_fields.define(algorithm.EvolutionConfig)
    flags.DEFINE_integer(
        "version", 1, "The subnet found is exported to WORKDIR/export/VERSION."
    )


def _define_dataset(default: str | None, note: str = "") -> None:
    names = ", ".join(datasets.NAMES)
    flags.DEFINE_string(
        "dataset",
        default,
        f"{names} or another of tensorflow-datasets{note}.",
    )
    flags.DEFINE_string(
        "image_folder",
        None,
        "Folder of images instead of a data set with a name: of a folder for "
        "each class, or of train/ and perhaps test/ with these.",
    )


def _define_search_space(default: str | None, note: str = "") -> None:
    names = ", ".join(search_space.SEARCH_SPACES)
    flags.DEFINE_string(
        "search_space", default, f"{names} or a JSON file of choices{note}."
    )


def _define_architecture(required: bool = True, note: str = "") -> None:
    flags.DEFINE_string(
        "architecture",
        None,
        f"JSON file, or one of {', '.join(published.NAMES)}{note}.",
    )
    if required:
        flags.mark_flag_as_required("architecture")


_OTHER_SIZE = (
    "Of the input in pixels, 224 or, height first, 224x320; the supernet's by "
    "default. For another one the position embedding is interpolated."
)


def define_export() -> None:
    """Defines the flags of `export`."""
    _define_workdir()
    _define_data_dir()
    _define_architecture()
    flag_fields.define_image_size(None, _OTHER_SIZE)
    flags.DEFINE_string(
        "export_dir", None, "Folder to make, the SavedModel's own."
    )
    flags.mark_flag_as_required("export_dir")


def define_evaluate() -> None:
    """Defines the flags of `evaluate`."""
    _define_workdir()
    _define_data_dir()
    _define_architecture()
    flag_fields.define_image_size(None, _OTHER_SIZE)
    _define_dataset(None, "; the supernet's by default")
    flags.DEFINE_enum(
        "split", "test", ["train", "validation", "test"], "To evaluate on."
    )
    flags.DEFINE_integer(
        "batch_size", 256, "Images of one batch.", lower_bound=1
    )


def define_describe() -> None:
    """Defines the flags of `describe`."""
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of a supernet, which has the network and the search space of "
        "flags that are not given.",
    )
    _define_architecture()
    _define_search_space(None, "; checks that the architecture is in it")
    flags.DEFINE_integer("num_classes", 1000, "Width of the head.")
    flag_fields.define(
        model_lib.ModelConfig,
        given=("num_classes", "channels", *NO_COST),
    )
    flags.DEFINE_string("picture", None, "PNG file to draw it to.")


# Fields of the model that no cost depends on.
NO_COST = ("qkv_bias_layout", "drop_path", "init_stddev")


def define_convert() -> None:
    """Defines the flags of `convert`."""
    _define_workdir()
    flags.DEFINE_string(
        "official_checkpoint",
        None,
        "A .pth file of the official code, to make the working folder of.",
    )
    flags.DEFINE_string(
        "export_official",
        None,
        "A .pth file to make, of the working folder's supernet.",
    )
    flags.mark_flags_as_mutual_exclusive(
        ["official_checkpoint", "export_official"], required=True
    )
    _define_dataset(
        None, "; what the supernet is for, by default one of as many classes"
    )
    _define_search_space(
        None,
        "; what the supernet is for, by default the paper's of this size or "
        "all that fits",
    )
    flags.DEFINE_enum(
        "pooling",
        None,
        typing.get_args(model_lib.Pooling),
        "What the head reads; by default as the checkpoint's args say, else "
        "average.",
    )
    flag_fields.define_image_size(
        None,
        "That it was trained on, where the position embedding does not tell: "
        "224 or, height first, 224x320.",
    )
    _define_architecture(
        required=False,
        note="; whose heads the exported QKV bias is laid out for, by default "
        "the largest",
    )


def define_report() -> None:
    """Defines the flags of `report`."""
    _define_workdir()
    _define_data_dir()
    flags.DEFINE_string(
        "name", "default", "The search's folder is WORKDIR/search/NAME."
    )
    flags.DEFINE_integer(
        "version", 1, "The export to report on is WORKDIR/export/VERSION."
    )
