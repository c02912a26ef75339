"""Functions of images as ONNX models."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_autoformer import errors

try:
    import onnx
    import tf2onnx
except ImportError as error:
    raise errors.InputError(
        f"the conversion to ONNX needs the package {error.name}; "
        "pip install '.[onnx]' in the clone gets it"
    ) from error

ModelProto = onnx.ModelProto
_OPSET = 17


def convert(
    function: Callable[..., Any],
    images: tf.TensorSpec,
    metadata: Mapping[str, str] | None = None,
) -> ModelProto:
    """An ONNX model.

    Args:
      function: Function of one tensor to a tensor or to tensors by name.
      images: Shape, dtype and name of its argument. The batch may be None.
      metadata: Texts by name that the model holds.
    """
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    proto, _ = tf2onnx.convert.from_function(
        tf.function(function, autograph=False), [images], opset=_OPSET
    )
    for name, text in (metadata or {}).items():
        proto.metadata_props.add(key=name, value=text)
    return proto
