"""The files of an export, one for each runtime."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_autoformer import files
from tf_autoformer.serving import served as served_lib
from tf_autoformer.serving import tflite, warmup

TFLITE_FILE, ONNX_FILE = "model.tflite", "model.onnx"


@dataclasses.dataclass(frozen=True)
class Formats:
    """What an export consists of.

    Attributes:
      names: Names of the formats: "savedmodel", "tflite" and "onnx".
      quantization: Precision of the TFLite model.
      images: Images that "int8" is calibrated with, float32
        [1, height, width, 3] in [0, 1].
    """

    names: tuple[str, ...] = ("savedmodel",)
    quantization: tflite.Quantization = "none"
    images: Sequence[np.ndarray] = ()


def write(
    folder: pathlib.Path,
    served: served_lib.Served,
    formats: Formats,
    card: dict[str, Any],
) -> None:
    """Writes the models into the folder of an export.

    TFLite and ONNX models take `images` and return `logits` and
    `probabilities`, as `serving_default` does. The batch may have any size. An
    ONNX model holds the labels and the whole model card as metadata.

    Args:
      folder: Folder of the export.
      served: Subnets to write. TFLite and ONNX have the first.
      formats: Formats to write.
      card: Model card of the export.

    Raises:
      InputError: A package for a conversion is missing.
    """
    if "savedmodel" in formats.names:
        signatures = served.signatures()
        tf.saved_model.save(served, str(folder), signatures=signatures)
        warmup.write(folder / "assets.extra", served.image_shape, signatures)
    if "tflite" in formats.names:
        function = tf.function(served.logits, autograph=False)
        converted = tflite.convert(
            function.get_concrete_function(served.images),
            served.variables,
            formats.quantization,
            formats.images,
        )
        files.write_bytes(folder / TFLITE_FILE, converted)
    if "onnx" in formats.names:
        from tf_autoformer.serving import onnx_model  # It may be missing.

        metadata = {
            "labels": json.dumps(card["labels"]),
            "model_card": json.dumps(card),
        }
        proto = onnx_model.convert(served.logits, served.images, metadata)
        files.write_bytes(folder / ONNX_FILE, proto.SerializeToString())


def require(names: Iterable[str]) -> None:
    """Fails before long work that a missing package would end.

    Raises:
      InputError: A package for a conversion is missing.
    """
    if "onnx" in names:
        from tf_autoformer.serving import onnx_model  # noqa: F401
