"""The examples speak the protocols that they claim to."""

import concurrent.futures
import contextlib
import io
import runpy
import sys
from unittest import mock

import grpc
import tensorflow as tf
from absl.testing import absltest
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.helpers import commands

CLIENT = commands.ROOT / "examples" / "grpc_client.py"


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's service. It answers with the size of a file."""

    def Predict(self, request, context):  # noqa: N802
        files = tf.make_ndarray(request.inputs["image_bytes"])
        spec = request.model_spec
        response = predict_pb2.PredictResponse()
        for name, values in {
            "classes": [f"{spec.name} {len(each)}" for each in files],
            "probabilities": [[0.25, 0.75]] * len(files),
            "errors": ["" if each else "empty" for each in files],
        }.items():
            assert spec.signature_name == "serving_bytes"
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


class GrpcTest(absltest.TestCase):
    def test_the_client_asks_tf_serving(self):
        threads = concurrent.futures.ThreadPoolExecutor(1)
        options = [("grpc.max_receive_message_length", -1)]
        server = grpc.server(threads, options=options)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Service(), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        folder = self.create_tempdir()
        # More than gRPC allows by default.
        large = folder.create_file("large", b"x" * 5_000_000, "wb")
        empty = folder.create_file("empty", b"", "wb")
        words = [
            f"127.0.0.1:{port}",
            "digits",
            large.full_path,
            empty.full_path,
        ]
        out = io.StringIO()
        with (
            mock.patch.object(sys, "argv", [str(CLIENT), *words]),
            contextlib.redirect_stdout(out),
        ):
            runpy.run_path(str(CLIENT), run_name="__main__")
        self.assertEqual(
            out.getvalue(),
            f"{large.full_path}: digits 5000000 75.0%\n"
            f"{empty.full_path}: empty\n",
        )


if __name__ == "__main__":
    absltest.main()
