"""One version of a SavedModel, loaded and warmed up."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from tf_autoformer import errors
from tf_autoformer.data.sources import labels
from tf_autoformer.serving import warmup

Row = Mapping[str, Any]  # Name of each input or output -> its value.


class Signature:
    """A function of a SavedModel, from rows to rows.

    Args:
      function: Signature as TensorFlow loads it.
      name: Name of the signature.

    Attributes:
      inputs: Mapping of the names of the inputs to their specs.

    Raises:
      InputError: An input cannot be joined to batches.
    """

    def __init__(self, function: Any, name: str):
        self._function = function
        self.inputs: Mapping[str, tf.TensorSpec] = (
            function.structured_input_signature[1]
        )
        for each in self.inputs.values():
            rank = each.shape.rank
            if not rank or each.shape[0] is not None or None in each.shape[1:]:
                raise errors.InputError(
                    f"the input {each.name} of {name} has the shape "
                    f"{each.shape}; only its first axis may be of any length"
                )

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Computes one batch.

        Args:
          rows: Inputs of each row, arrays without the axis of the batch.

        Returns:
          Outputs of each row, as arrays.
        """
        inputs = {
            name: tf.constant(np.stack([row[name] for row in rows]), spec.dtype)
            for name, spec in self.inputs.items()
        }
        outputs = {
            name: value.numpy()
            for name, value in self._function(**inputs).items()
        }
        return [
            {name: value[i] for name, value in outputs.items()}
            for i in range(len(rows))
        ]


class Model:
    """A SavedModel in memory, which has answered its warm-up requests.

    Args:
      folder: Folder of the SavedModel. Its name is the version.

    Attributes:
      version: Number of the version.
      signatures: Mapping of names to signatures.
      metadata: Signatures as TF Serving describes them, in JSON.
      labels: Names of the classes. Empty if the export has none.

    Raises:
      InputError: The folder holds no whole SavedModel, or one whose signatures
        cannot be served.
    """

    def __init__(self, folder: pathlib.Path):
        self.version = int(folder.name)
        extra = folder / "assets.extra"
        try:
            loaded = tf.saved_model.load(str(folder))
            self.metadata = _metadata(folder)
            self.signatures = {
                name: Signature(function, name)
                for name, function in loaded.signatures.items()
            }
            for signature, inputs in warmup.read(extra):
                loaded.signatures[signature](**inputs)
            self.labels = labels.read(folder) or []
        except errors.InputError:
            raise
        except Exception as error:  # A folder may hold anything.
            raise errors.InputError(
                f"cannot load {folder}: {errors.reason(error)}"
            ) from error
        # The functions hold their variables, but not the other way round.
        self._loaded = loaded


def _metadata(folder: pathlib.Path) -> dict[str, Any]:
    saved = saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )
    described = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in saved.meta_graphs[0].signature_def.items():
        described.signature_def[name].CopyFrom(definition)
    return json_format.MessageToDict(
        described,
        preserving_proto_field_name=True,
        including_default_value_fields=True,
    )
