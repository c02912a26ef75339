"""Command-line flags, and the only place that reads them.

A flag is a field of a configuration dataclass: the field gives its name, type
and default, the class's docstring its help. Flags become frozen dataclasses
here; nothing else sees them.
"""

import dataclasses
import inspect
import logging
import pathlib
import re
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from absl import app, flags
from absl import logging as absl_logging

from tf_autoformer import errors
from tf_autoformer.data import datasets
from tf_autoformer.evolution import algorithm
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, model, search_space
from tf_autoformer.training import config as training_config
from tf_autoformer.training import experiment as experiment_lib
from tf_autoformer.training import loop

FLAGS = flags.FLAGS
# So that --help lists the flags defined here for whichever binary runs.
flags.disclaim_key_flags()

_DEFINE: Mapping[type, Callable[..., Any]] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def _help(config: type) -> dict[str, str]:
    """Field -> its text in the "Attributes:" of the docstring."""
    text = inspect.getdoc(config).split("Attributes:\n", 1)[1]
    entries = re.findall(r"^  (\w+): (.*(?:\n {4}.*)*)", text, re.MULTILINE)
    return {
        name: re.sub(r"\s+", " ", entry[0].upper() + entry[1:])
        for name, entry in entries
    }


def _define(config: type, given: tuple[str, ...] = ()) -> None:
    """Defines a flag for each field of a dataclass that is not `given`."""
    texts = _help(config)
    for field in dataclasses.fields(config):
        if field.name in given:
            continue
        default, text = field.default, texts[field.name]
        if typing.get_origin(field.type) is typing.Literal:
            choices = typing.get_args(field.type)
            flags.DEFINE_enum(field.name, default, choices, text)
        else:
            _DEFINE[field.type](field.name, default, text)


def _read(config: type, **given: Any) -> Any:
    """The dataclass of the flags that `_define` made for it."""
    values = {
        field.name: FLAGS[field.name].value
        for field in dataclasses.fields(config)
        if field.name not in given
    }
    return config(**given, **values)


def _define_workdir() -> None:
    flags.DEFINE_string(
        "workdir", None, "Folder of the supernet and all made from it."
    )
    flags.mark_flag_as_required("workdir")


def _define_data_dir() -> None:
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of prepared data sets; ~/tensorflow_datasets by default.",
    )


def define_train() -> None:
    """Defines the flags of `train`."""
    _define_workdir()
    _define_data_dir()
    flags.DEFINE_string(
        "dataset", "digits", f"One of {', '.join(datasets.SOURCES)}."
    )
    flags.DEFINE_enum(
        "search_space", "tiny", list(search_space.SEARCH_SPACES), "Its name."
    )
    _define(model.ModelConfig, given=("num_classes", "channels"))
    _define(training_config.TrainingConfig)
    _define(loop.Cadence)


def define_search() -> None:
    """Defines the flags of `search`."""
    _define_workdir()
    _define_data_dir()
    flags.DEFINE_string(
        "name", "default", "The search's folder is WORKDIR/search/NAME."
    )
    for cost, text in _COSTS.items():
        flags.DEFINE_float(f"max_{cost}", None, f"At most so many {text}.")
        flags.DEFINE_float(f"min_{cost}", None, f"At least so many {text}.")
    _define(algorithm.EvolutionConfig)
    flags.DEFINE_integer(
        "version", 1, "The subnet found is exported to WORKDIR/export/VERSION."
    )


_COSTS = {
    "params": "parameters",
    "macs": "multiply-accumulates for one image",
}


def define_export() -> None:
    """Defines the flags of `export`."""
    _define_workdir()
    flags.DEFINE_string(
        "architecture", None, "JSON file of the architecture to export."
    )
    flags.DEFINE_string(
        "export_dir", None, "Folder to make, the SavedModel's own."
    )
    flags.mark_flags_as_required(["architecture", "export_dir"])


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


def workdir() -> pathlib.Path:
    """The folder of the supernet and of all made from it."""
    return pathlib.Path(FLAGS.workdir).expanduser()


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
    return workdir() / "export" / str(FLAGS.version)


def export_dir() -> pathlib.Path:
    """The folder to export to."""
    return pathlib.Path(FLAGS.export_dir).expanduser()


def architecture() -> architecture_lib.Architecture:
    """The architecture of the file that is named.

    Raises:
      InputError: the file is missing or not an architecture.
    """
    path = pathlib.Path(FLAGS.architecture).expanduser()
    return architecture_lib.Architecture.load(path)


def experiment() -> experiment_lib.Experiment:
    """What to train.

    Raises:
      InputError: a flag's value breaks a rule.
    """
    return experiment_lib.Experiment(
        dataset=FLAGS.dataset,
        model=_read(
            model.ModelConfig,
            num_classes=datasets.source(FLAGS.dataset).num_classes,
            channels=3,
        ),
        space=search_space.SEARCH_SPACES[FLAGS.search_space],
        training=_read(training_config.TrainingConfig),
    )


def cadence() -> loop.Cadence:
    """How often to report and save."""
    return _read(loop.Cadence)


def evolution() -> algorithm.EvolutionConfig:
    """The parameters of the search."""
    return _read(algorithm.EvolutionConfig)


def ranges() -> dict[str, constraint.Range]:
    """The bounded costs.

    Raises:
      InputError: a bound is not positive, or a minimum exceeds its maximum.
    """
    result = {}
    for cost in _COSTS:
        low, high = FLAGS[f"min_{cost}"].value, FLAGS[f"max_{cost}"].value
        if low is not None or high is not None:
            try:
                result[cost] = constraint.Range(low, high)
            except errors.InputError as error:
                raise errors.InputError(f"{cost}: {error}") from error
    return result


def run(main: Callable[[], None], define: Callable[[], None]) -> None:
    """Runs a binary: flags, then `main`, its failures told in one line.

    Exits with 1 for a mistake of the user's, and with 130 when interrupted.
    """

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1:
            _fail(1, f"unexpected argument {arguments[1]!r}")
        _show_progress()
        try:
            main()
        except errors.InputError as error:
            _fail(1, f"error: {error}")
        except KeyboardInterrupt:
            _fail(130, "interrupted; the same command continues")

    define()
    app.run(guarded)


def _show_progress() -> None:
    """Logs this package's progress, and of the libraries only warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%X"))
    logger = logging.getLogger("tf_autoformer")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _fail(code: int, message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
