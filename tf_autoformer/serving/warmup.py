"""Requests that TF Serving sends to a model before it takes traffic."""

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2


def write(extra: pathlib.Path, image_shape: Sequence[int]) -> None:
    """Writes `tf_serving_warmup_requests`, one for each signature.

    Args:
      extra: Folder `assets.extra` of a SavedModel.
      image_shape: Height, width and channels of the input.
    """
    image = np.zeros([1, *image_shape], np.float32)
    encoded = tf.io.encode_png(tf.zeros(image_shape, tf.uint8)).numpy()
    requests = {
        "serving_default": ("images", image),
        "serving_bytes": ("image_bytes", [encoded]),
    }
    path = extra / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, (name, value) in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
