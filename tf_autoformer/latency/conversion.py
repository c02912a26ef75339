"""Subnets with random weights, converted for the runtimes they are deployed in.

A converted subnet takes a batch of fixed size of normalized images, float32
[batch, height, width, channels], and returns logits.
"""

import logging
import pathlib
from collections.abc import Collection

import tensorflow as tf

from tf_autoformer import files, progress
from tf_autoformer.latency import models
from tf_autoformer.latency import network as network_lib
from tf_autoformer.serving import tflite
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.supernet import subnet as subnet_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


def prepare(
    folder: models.ModelFolder,
    architectures: Collection[Architecture],
    network: network_lib.Network,
    batch_size: int,
    runtime: models.Runtime,
) -> None:
    """Adds converted subnets to a folder, but for those that are there.

    Args:
      folder: Folder of the models.
      architectures: Architectures to convert.
      network: Network of the architectures.
      batch_size: Number of images that a model takes.
      runtime: Runtime to convert for.

    Raises:
      InputError: The folder is of another network or batch size, it cannot be
        written, or a package for the conversion is missing.
    """
    folder.claim(network, batch_size)
    missing = [
        each
        for each in architectures
        if not folder.path(each, runtime).exists()
    ]
    convert = _CONVERSIONS[runtime](network, batch_size)
    with progress.Meter(0, len(missing), "models", "conversion") as meter:
        for number, architecture in enumerate(missing, 1):
            folder.add(architecture)
            convert(architecture, folder.path(architecture, runtime))
            meter.advance(number)
            if meter.due:
                _LOGGER.info("conversion: %s", meter.line(number))


class _Onnx:
    """Converts to ONNX, by parts. See `onnx_chain`."""

    def __init__(self, network: network_lib.Network, batch_size: int):
        from tf_autoformer.latency import onnx_chain  # It may be missing.

        self._parts = onnx_chain.Parts(network.model, batch_size)

    def __call__(self, architecture: Architecture, path: pathlib.Path) -> None:
        files.write_bytes(path, self._parts.chain(architecture))


class _Whole:
    """Converts a whole subnet."""

    def __init__(self, network: network_lib.Network, batch_size: int):
        self._model = network.model
        self._images = tf.TensorSpec(
            [batch_size, *self._model.input_size, self._model.channels],
            tf.float32,
            "images",
        )

    def _traced(self, architecture: Architecture) -> tuple:
        """The Keras model, and its function of the images."""
        subnet = subnet_lib.build(self._model, architecture)
        function = tf.function(subnet.call, autograph=False)
        return subnet, function.get_concrete_function(self._images)


class _SavedModel(_Whole):
    """Converts to a SavedModel."""

    def __call__(self, architecture: Architecture, path: pathlib.Path) -> None:
        subnet, function = self._traced(architecture)
        module = tf.Module()
        module.variables_kept = subnet.variables
        with files.new_folder(path) as partial:
            tf.saved_model.save(
                module, str(partial), signatures={"serving_default": function}
            )


class _TFLite(_Whole):
    """Converts to TFLite with its built-in operations alone."""

    def __call__(self, architecture: Architecture, path: pathlib.Path) -> None:
        subnet, function = self._traced(architecture)
        files.write_bytes(path, tflite.convert(function, subnet.variables))


_CONVERSIONS = {"onnx": _Onnx, "tflite": _TFLite, "tensorflow": _SavedModel}
