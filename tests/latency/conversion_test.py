"""Converted subnets compute what the Keras model does, in their runtimes."""

import pathlib
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import latencies
from tf_autoformer import errors
from tf_autoformer.latency import conversion, models, onnx_chain, runtimes
from tf_autoformer.supernet import subnet

Architecture = latencies.Architecture
FLAT = Architecture(8, 1, (2,), (1.0,))
_CPU = ["CPUExecutionProvider"]


class ChainTest(absltest.TestCase):
    def test_parts_in_a_row_compute_the_whole(self):
        tf.keras.utils.set_random_seed(0)
        whole = subnet.build(latencies.MODEL, FLAT)
        parts = [
            onnx_chain.convert(part, [3, *part.input_shape[1:]])
            for part in onnx_chain.split(whole).values()
        ]
        model = onnx_chain.chained(parts)
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        images = np.random.default_rng(0).random((3, 8, 8, 3), np.float32)
        (found,) = session.run(None, {session.get_inputs()[0].name: images})
        np.testing.assert_allclose(found, whole(images), atol=1e-5)

    def test_a_subnet_is_a_row_of_parts_that_are_converted_once(self):
        asked = []

        def convert(self, *part):
            asked.append(part)
            node = onnx.helper.make_node("Add", ["x", "c"], ["y"])
            x, y = (
                onnx.helper.make_tensor_value_info(name, 1, [1])
                for name in "xy"
            )
            number = onnx.helper.make_tensor("c", 1, [1], [float(len(asked))])
            return onnx.helper.make_model(
                onnx.helper.make_graph([node], "part", [x], [y], [number]),
                opset_imports=[onnx.helper.make_opsetid("", 17)],
            )

        with mock.patch.object(onnx_chain.Parts, "_convert", convert):
            parts = onnx_chain.Parts(latencies.MODEL, 2)
            content = parts.chain(
                Architecture(12, 3, (3, 1, 3), (0.5, 2.0, 2.0))
            )
        self.assertEqual(
            asked,
            [
                ("stem", 12, 1, 1.0),
                ("attention", 12, 3, 1.0),
                ("mlp", 12, 1, 0.5),
                ("attention", 12, 1, 1.0),
                ("mlp", 12, 1, 2.0),
                ("head", 12, 1, 1.0),
            ],
        )
        session = onnxruntime.InferenceSession(content, providers=_CPU)
        (found,) = session.run(None, {"x": np.zeros(1, np.float32)})
        # Stem 1, blocks 2 + 3, 4 + 5 and 2 + 5, head 6.
        self.assertEqual(found, 1 + 5 + 9 + 7 + 6)


def _trivial(model, architecture):
    """In place of a subnet, whose conversion takes seconds."""
    images = tf.keras.Input([8, 8, 3])
    return tf.keras.Model(images, tf.keras.layers.Flatten()(images))


class RuntimesTest(parameterized.TestCase):
    @parameterized.parameters("tflite", "tensorflow")
    def test_a_converted_subnet_runs(self, runtime):
        folder = models.ModelFolder(self.create_tempdir().full_path)
        with mock.patch.object(subnet, "build", _trivial):
            for _ in range(2):  # The second time there is nothing to do.
                conversion.prepare(
                    folder, [FLAT], latencies.NETWORK, 2, runtime
                )
        ((architecture, path),) = folder.models(runtime).items()
        self.assertEqual(architecture, FLAT)
        with mock.patch.object(runtimes, "use_threads"):  # TensorFlow runs.
            runtimes.load(runtime, path, threads=1)()

    def test_a_runtime_that_is_missing_is_told_with_its_remedy(self):
        with (
            mock.patch("importlib.util.find_spec", lambda _: None),
            self.assertRaisesRegex(
                errors.InputError, "pip install onnxruntime gets it"
            ),
        ):
            runtimes.load("onnx", pathlib.Path("model.onnx"), 1)

    def test_what_is_no_model_is_told(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "model.onnx"
        path.write_bytes(b"no model")
        with self.assertRaisesRegex(errors.InputError, "cannot run .*onnx: "):
            runtimes.load("onnx", path, 1)


if __name__ == "__main__":
    absltest.main()
