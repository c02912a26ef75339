"""Asks TF Serving about images, by gRPC.

  python examples/grpc_client.py localhost:8500 classifier photo.jpg other.png

It needs tensorflow and tensorflow-serving-api. `tf_autoformer.serve` has no
gRPC, so the server is TF Serving.
"""

import pathlib
import sys
from typing import NamedTuple

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_service_pb2_grpc,
)

_SECONDS = 60
_MAX_BYTES = 2**28  # gRPC's own limit is 4 MiB.


class Answer(NamedTuple):
    """The answer to an image.

    Attributes:
      label: Likeliest class, "" if the file could not be read.
      probability: Probability of this class.
      error: Reason why the file could not be read, or "".
    """

    label: str
    probability: float
    error: str


def predict(address: str, model: str, contents: list[bytes]) -> list[Answer]:
    """The answers to the contents of image files.

    Args:
      address: Host and port of the server.
      model: Name of the model.
      contents: Contents of the files.

    Raises:
      grpc.RpcError: The server cannot be reached, or refuses the request.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_bytes"
    request.inputs["image_bytes"].CopyFrom(
        tf.make_tensor_proto(contents, tf.string)
    )
    options = [("grpc.max_send_message_length", _MAX_BYTES)]
    with grpc.insecure_channel(address, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(request, _SECONDS).outputs
    labels, probabilities, reasons = (
        tf.make_ndarray(outputs[name])
        for name in ("classes", "probabilities", "errors")
    )
    return [
        Answer(label.decode(), float(each.max()), reason.decode())
        for label, each, reason in zip(
            labels, probabilities, reasons, strict=True
        )
    ]


if __name__ == "__main__":
    address, model, *paths = sys.argv[1:]
    answers = predict(
        address, model, [pathlib.Path(path).read_bytes() for path in paths]
    )
    for path, answer in zip(paths, answers, strict=True):
        text = answer.error or f"{answer.label} {answer.probability:.1%}"
        print(f"{path}: {text}")
