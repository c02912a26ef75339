"""Functions of images as TFLite models."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

# "none": float32. "float16": weights in float16. "dynamic": products in int8,
# with activations that are quantized as they come. "int8": all in int8, with
# ranges that are known from images.
Quantization = Literal["none", "float16", "dynamic", "int8"]


def convert(
    function: tf.types.experimental.ConcreteFunction,
    variables: Sequence[tf.Variable],
    quantization: Quantization = "none",
    images: Sequence[np.ndarray] = (),
) -> bytes:
    """A TFLite model, with TFLite's built-in operations alone.

    Args:
      function: Function of one float32 tensor.
      variables: Variables that the function reads.
      quantization: Precision of the model. Inputs and outputs stay float32.
      images: Arguments of the function, each a batch of one, that the ranges of
        activations are known from. For "int8" alone.

    Returns:
      Model with the signature "serving_default".
    """
    # Not a Keras model: each of its layers would be traced and saved.
    module = tf.Module()
    module.variables_kept = list(variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function], module
    )
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.representative_dataset = lambda: ([each] for each in images)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        ]
    return converter.convert()
