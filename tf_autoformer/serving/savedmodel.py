"""Subnets as folders to deploy: SavedModels, and files for other runtimes."""

import contextlib
import dataclasses
import logging
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.serving import elastic, model_card
from tf_autoformer.serving import formats as formats_lib
from tf_autoformer.serving import served as served_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.supernet import supernet as supernet_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture
_EXTRA = "assets.extra"


def export(
    supernet: supernet_lib.Supernet,
    architecture: Architecture,
    source: source_lib.Source,
    folder: str | os.PathLike[str],
    image_size: model_lib.ImageSize | None = None,
    origin: model_card.Origin | None = None,
    formats: formats_lib.Formats | None = None,
) -> None:
    """Writes a subnet with inherited weights, as a whole folder or not at all.

    Under `assets.extra/` the folder also holds the architecture, the fixed part
    of the network with its data, and the names of the classes as JSON, the
    model card, and the warm-up requests of TF Serving.

    Args:
      supernet: Supernet whose weights the subnet inherits.
      architecture: Architecture of the supernet's space.
      source: Classes and pixels that the supernet knows.
      folder: Folder to make. TF Serving takes its name as the version number.
      image_size: Input size in pixels. See `subnet.inherit`.
      origin: Facts for the model card. None: nothing is known.
      formats: Formats to write. None: a SavedModel.

    Raises:
      InputError: The architecture is outside the space, the image size is no
        multiple of the patch size, a package is missing, or the folder exists
        or cannot be written.
    """
    subnet = subnet_lib.inherit(supernet, architecture, image_size)
    served = served_lib.of_model(subnet, source)
    model = _resized(supernet.model, image_size)
    origin = origin or model_card.Origin()
    formats = formats or formats_lib.Formats()
    card = model_card.content(
        architecture, model, source, origin, formats.names
    )
    with _new_folder(folder) as partial:
        formats_lib.write(partial, served, formats, card)
        files.write_json(
            partial / _EXTRA / "architecture.json", architecture.to_dict()
        )
        _describe(partial, card, model, source)


def export_elastic(
    supernet: supernet_lib.Supernet,
    architectures: Sequence[Architecture],
    source: source_lib.Source,
    folder: str | os.PathLike[str],
    image_size: model_lib.ImageSize | None = None,
    origin: model_card.Origin | None = None,
) -> None:
    """Writes several subnets as one SavedModel with one copy of the weights.

    `assets.extra/architectures.json` lists the signatures with their
    architectures and costs. See `export` for the other files and errors, and
    `served.Served` for the signatures.

    Args:
      supernet: Supernet whose weights the subnets inherit.
      architectures: Architectures of the supernet's space. The model card, and
        the signatures that name no subnet, are of the first.
      source: Classes and pixels that the supernet knows.
      folder: Folder to make. TF Serving takes its name as the version number.
      image_size: Input size in pixels. See `elastic.ElasticSubnets`.
      origin: Facts for the model card. None: nothing is known.
    """
    shared = elastic.ElasticSubnets(supernet, architectures, image_size)
    served = served_lib.Served(
        [*map(shared.logits, architectures)],
        shared.variables,
        shared.image_shape,
        source,
    )
    model = _resized(supernet.model, image_size)
    origin = origin or model_card.Origin()
    cards = [
        model_card.content(each, model, source, origin)
        for each in architectures
    ]
    with _new_folder(folder) as partial:
        formats_lib.write(partial, served, formats_lib.Formats(), cards[0])
        files.write_json(
            partial / _EXTRA / "architectures.json",
            [
                {
                    "signature": served_lib.subnet_signature(number),
                    **{each.name: card[each.name] for each in cost.COSTS},
                    "architecture": card["architecture"],
                }
                for number, card in enumerate(cards, 1)
            ],
        )
        _describe(partial, cards[0], model, source)


def _resized(
    model: model_lib.ModelConfig, image_size: model_lib.ImageSize | None
) -> model_lib.ModelConfig:
    """The fixed part of the network, with the size exported for."""
    if image_size is None:
        return model
    return dataclasses.replace(model, image_size=image_size)


@contextlib.contextmanager
def _new_folder(
    folder: str | os.PathLike[str],
) -> Iterator[pathlib.Path]:
    """A folder that is whole or absent."""
    with files.new_folder(folder) as partial:
        try:
            (partial / _EXTRA).mkdir()
            yield partial
        except tf.errors.OpError as error:
            raise errors.InputError(
                f"cannot write to {folder}: {errors.reason(error)}"
            ) from error
    _LOGGER.info("exported to %s", folder)


def _describe(
    folder: pathlib.Path,
    card: dict[str, Any],
    model: model_lib.ModelConfig,
    source: source_lib.Source,
) -> None:
    """Writes what readers of an export want to know."""
    files.write_json(folder / names.LABELS_FILE, source.labels)
    files.write_json(
        folder / names.NETWORK_FILE,
        {
            "model": dataclasses.asdict(model),
            "source": dataclasses.asdict(source),
        },
    )
    model_card.write(folder / _EXTRA, card)


def exported_architecture(
    folder: str | os.PathLike[str],
) -> Architecture | None:
    """The architecture that `export` wrote into a folder. None if none."""
    path = pathlib.Path(folder) / _EXTRA / "architecture.json"
    try:
        return Architecture.load(path)
    except errors.InputError:
        return None


def require_free(
    folder: str | os.PathLike[str],
    expected: Architecture | None = None,
) -> None:
    """Fails before long work whose export would fail.

    Args:
      folder: Folder to be made.
      expected: Architecture that the folder may hold already. None: nothing.

    Raises:
      InputError: The folder exists and holds something else.
    """
    if files.is_new(folder):
        return
    found = exported_architecture(folder)
    if found is None or found != expected:
        raise errors.InputError(
            f"{folder} exists already and is not replaced; choose another "
            "version or folder"
        )
