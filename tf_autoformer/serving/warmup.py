"""Requests that TF Serving sends to a model before it takes traffic."""

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

_FILE = "tf_serving_warmup_requests"


def write(
    extra: pathlib.Path, image_shape: Sequence[int], signatures: Iterable[str]
) -> None:
    """Writes `tf_serving_warmup_requests`, one for each signature.

    Args:
      extra: Folder `assets.extra` of a SavedModel.
      image_shape: Height, width and channels of the input.
      signatures: Names of the signatures of `served.Served`.
    """
    image = np.zeros([1, *image_shape], np.float32)
    encoded = tf.io.encode_png(tf.zeros(image_shape, tf.uint8)).numpy()
    with tf.io.TFRecordWriter(str(extra / _FILE)) as writer:
        for signature in signatures:
            is_bytes = signature.endswith("_bytes")
            name, value = (
                ("image_bytes", [encoded]) if is_bytes else ("images", image)
            )
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def read(extra: pathlib.Path) -> Iterator[tuple[str, Mapping[str, tf.Tensor]]]:
    """The requests that `write` or another exporter wrote.

    Args:
      extra: Folder `assets.extra` of a SavedModel.

    Yields:
      Name of a signature, and the inputs of the request by name.
    """
    path = extra / _FILE
    if not path.exists():
        return
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        yield request.model_spec.signature_name or "serving_default", inputs
