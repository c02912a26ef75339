"""The network before its fine-tuning: inherited, exported or random."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import known_data
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import finetuning_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents, parsing
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import embedding
from tf_autoformer.supernet import subnet as subnet_lib

Weights = Mapping[str, Mapping[str, tf.Tensor]]
# Fields of the network that its weights do not fix.
_FREE = ("image_size", "drop_path", "init_stddev")


@dataclasses.dataclass(frozen=True)
class Initial:
    """A network, and what it has learned so far.

    Attributes:
      model: Fixed part of the network, with the classes learned.
      architecture: Dimensions of the subnet.
      source: Classes and pixels that it knows. None: nothing is learned.
      weights: Layer -> weight -> value. Empty: nothing is learned.
      dataset: Name of the data set of `source`. None: it is not known.
      max_image_pixels: Largest number of pixels of an image of it.
    """

    model: model_lib.ModelConfig
    architecture: architecture_lib.Architecture
    source: source_lib.Source | None = None
    weights: Weights = dataclasses.field(default_factory=dict)
    dataset: str | None = None
    max_image_pixels: int = experiment_lib.DEFAULT.max_image_pixels

    def with_fields(self, given: Mapping[str, Any]) -> model_lib.ModelConfig:
        """The fixed part of the new network, still with the old classes.

        Args:
          given: Fields of the network that are given.

        Raises:
          InputError: A field has another value than the weights were made
            with, or breaks a rule.
        """
        for name, value in given.items():
            found = getattr(self.model, name)
            if self.weights and name not in _FREE and value != found:
                raise errors.InputError(
                    f"{name} is {value}; the weights were made with {found}"
                )
        # Subnets of one size have the same bias in both layouts.
        return dataclasses.replace(self.model, **given, qkv_bias_layout="heads")

    def known_classes(self, name: str, new: source_lib.Source) -> list[int]:
        """The old place of each new class, and -1 for a class not learned.

        Classes are matched by name. If only their number was known before, as
        of a converted checkpoint, those of the same data set are the same.

        Args:
          name: Name of the new data set.
          new: Classes of the new data set.
        """
        if self.source is None:
            return [-1] * new.num_classes
        old = self.source.labels
        if name == self.dataset and self.source.is_numbered:
            old = new.labels if len(old) == new.num_classes else old
        place = {label: number for number, label in enumerate(old)}
        return [place.get(label, -1) for label in new.labels]


def read(
    config: finetuning_config.InitialConfig, data_dir: str | None = None
) -> Initial:
    """Reads the network and its first weights.

    Args:
      config: Origin of the network and of its weights.
      data_dir: Folder of prepared data sets. None: TFDS's default.

    Raises:
      InputError: The folder or the export is not as it must be, or the
        architecture is none of the supernet's.
    """
    if config.init == "export":
        return _exported(config.export)
    if config.supernet is None:
        return Initial(experiment_lib.DEFAULT.model, config.architecture)
    workdir = workdir_lib.Workdir(config.supernet)
    experiment = workdir.experiment
    told = {
        "model": experiment.model,
        "dataset": experiment.dataset,
        "max_image_pixels": experiment.max_image_pixels,
    }
    if config.init == "random":
        # From scratch, the subnet need not be one of the supernet's.
        subnet = config.architecture or experiment.subnet(None)
        return Initial(architecture=subnet, **told)
    subnet = experiment.subnet(config.architecture)
    trained = workdir.trained(tf.distribute.get_strategy(), data_dir)
    return Initial(
        architecture=subnet,
        source=known_data.source(workdir, data_dir),
        weights=trained.supernet.slices(extents.of(subnet)),
        **told,
    )


def _exported(folder: pathlib.Path) -> Initial:
    """The subnet of an export of this package."""
    path = folder / "assets.extra" / "architecture.json"
    if not path.exists() or not (folder / names.NETWORK_FILE).exists():
        raise errors.InputError(
            f"export is {str(folder)!r}; it must be an export of one subnet "
            "by this package"
        )
    values = files.read_json(folder / names.NETWORK_FILE)
    with errors.about(folder / names.NETWORK_FILE):
        parsing.fields("a network", values, ("model", "source"))
        model = parsing.config(model_lib.ModelConfig, values["model"])
        source = source_lib.Source.from_dict(values["source"])
    architecture = architecture_lib.Architecture.load(path)
    try:
        saved = tf.saved_model.load(str(folder))
        found = {
            variable.name.removesuffix(":0"): variable
            for variable in saved._weights
        }
        weights = {
            name: {
                weight: found[f"{name}/{weight}"].read_value()
                for weight in layer.axes
            }
            for name, layer in extents.layers(
                model, extents.of(architecture)
            ).items()
        }
    except (tf.errors.OpError, OSError, AttributeError, KeyError) as error:
        raise errors.InputError(
            f"export is {str(folder)!r}; it must be a SavedModel of this "
            f"package: {errors.reason(error)}"
        ) from error
    return Initial(model, architecture, source, weights)


@tf.autograph.experimental.do_not_convert
def network(
    initial: Initial,
    model: model_lib.ModelConfig,
    classes: list[int],
    precision: str = "float32",
) -> tf.keras.Model:
    """A standalone subnet with the initial weights.

    The position embedding is interpolated to the new size. The head has the
    rows of the classes that were learned, and new ones for the others.

    Args:
      initial: Weights learned so far.
      model: Fixed part of the new network.
      classes: Old place of each new class. See `Initial.known_classes`.
      precision: Keras policy of the layers.
    """
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        subnet = subnet_lib.build(model, initial.architecture)
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
    for name, weights in initial.weights.items():
        for weight, value in weights.items():
            variable = getattr(subnet.get_layer(name), weight)
            if name == "position":
                fitting = embedding.resize_position(
                    value, initial.model.grid, model.grid
                )
            elif name == "head":
                fitting = _with_new_classes(value, variable, classes)
            else:  # The official code's flat bias gets its axes.
                fitting = tf.reshape(value, variable.shape)
            variable.assign(fitting)
    return subnet


def _with_new_classes(
    old: tf.Tensor, new: tf.Tensor, classes: list[int]
) -> tf.Tensor:
    """A weight of the head, [..., classes], with what was learned."""
    places = tf.constant(classes)
    learned = tf.gather(old, tf.maximum(places, 0), axis=-1)
    return tf.where(places >= 0, learned, new)
