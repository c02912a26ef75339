"""`export`: each format gives the supernet's answers, in its own runtime."""

import json
import pathlib
import tempfile

import numpy as np
import onnxruntime
import openvino
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import options, shared
from tf_autoformer import errors, export
from tf_autoformer.data import pipeline, preprocessing
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib

SUBNET = architecture_lib.Architecture(32, 2, (1, 2), (2.0, 0.5))
OTHERS = (
    architecture_lib.Architecture(16, 2, (2, 1), (0.5, 2.0)),
    architecture_lib.Architecture(32, 2, (1, 1), (0.5, 0.5)),
)


def _parse(*arguments: str) -> export.Options:
    return options.parse(
        export.Options, "--workdir=w", "--export_dir=e", *arguments
    )


class OptionsTest(parameterized.TestCase):
    @parameterized.parameters(
        ("--format=onnx,pickle", "format is 'onnx,pickle'; .* of savedmodel"),
        ("--format=", "format is ''; it must be one or more"),
        ("--quantization=int8", "quantization is 'int8'; .* the format tflite"),
        ("--calibration_images=0", "calibration_images is 0"),
    )
    def test_what_cannot_be_is_refused(self, flag, text):
        with self.assertRaisesRegex(errors.InputError, text):
            _parse(flag)

    def test_several_architectures_are_a_saved_model(self):
        with self.assertRaisesRegex(errors.InputError, "savedmodel with arch"):
            _parse("--architectures=a.json", "--format=onnx")
        path = pathlib.Path(self.create_tempdir().full_path) / "a.json"
        path.write_text(json.dumps(SUBNET.to_dict()))
        with self.assertRaisesRegex(errors.InputError, "only one of"):
            _parse("--architectures=a.json", f"--architecture={path}")


class FormatsTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        workdir = workdir_lib.Workdir(shared.trained())
        trained = workdir.trained(
            tf.distribute.get_strategy(), str(shared.digits())
        )
        batches = pipeline.images(trained.dataset, "test", (8, 8)).batch(360)
        ((images, labels),) = batches
        cls.images, cls.labels = images.numpy(), labels.numpy()
        normalized = preprocessing.normalize(
            images, trained.source.mean, trained.source.std
        )
        cls.logits = {
            each: trained.supernet(normalized, each).numpy()
            for each in (SUBNET, *OTHERS)
        }

    def _export(self, name: str, subnets, *flags: str) -> pathlib.Path:
        path = self.folder / f"{name}.json"
        values = [each.to_dict() for each in subnets]
        single = len(values) == 1
        path.write_text(json.dumps(values[0] if single else values))
        flag = "architecture" if single else "architectures"
        export.main(
            options.parse(
                export.Options,
                f"--workdir={shared.trained()}",
                f"--data_dir={shared.digits()}",
                f"--export_dir={self.folder / name}",
                f"--{flag}={path}",
                *flags,
            )
        )
        return self.folder / name

    def _check(self, outputs, subnet=SUBNET, tolerance=1e-4) -> None:
        logits = self.logits[subnet]
        np.testing.assert_allclose(outputs["logits"], logits, atol=tolerance)
        np.testing.assert_allclose(
            outputs["probabilities"], tf.nn.softmax(logits), atol=tolerance
        )

    def test_onnx_answers_in_two_runtimes_and_knows_its_labels(self):
        folder = self._export("onnx", [SUBNET], "--format=onnx")
        path = str(folder / "model.onnx")
        session = onnxruntime.InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        values = session.run(None, {"images": self.images})
        self._check(dict(zip(names, values, strict=True)))
        metadata = session.get_modelmeta().custom_metadata_map
        digits = [str(number) for number in range(10)]
        self.assertEqual(json.loads(metadata["labels"]), digits)
        card = json.loads(metadata["model_card"])
        self.assertEqual(card["architecture"], SUBNET.to_dict())

        model = openvino.Core().compile_model(path, "CPU")
        found = model({"images": self.images})
        self._check({name: found[name] for name in names})
        self.assertFalse((folder / "saved_model.pb").exists())
        self.assertTrue((folder / "assets.extra" / "labels.json").is_file())

    def _tflite(self, name: str, *flags: str) -> dict[str, np.ndarray]:
        """The answers of a TFLite model, and its size in bytes."""
        folder = self._export(name, [SUBNET], "--format=tflite", *flags)
        content = (folder / "model.tflite").read_bytes()
        interpreter = tf.lite.Interpreter(model_content=content)
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, self.images.shape)
        run = interpreter.get_signature_runner("serving_default")
        return run(images=self.images) | {"bytes": len(content)}

    def test_tflite_answers_and_int8_is_smaller_and_as_right(self):
        floats = self._tflite("float32")
        self._check(floats)
        quantized = self._tflite(
            "int8", "--quantization=int8", "--calibration_images=50"
        )
        self.assertLess(quantized["bytes"], 0.7 * floats["bytes"])
        accuracies = [
            np.mean(np.argmax(each["logits"], 1) == self.labels)
            for each in (floats, quantized)
        ]
        self.assertAlmostEqual(*accuracies, delta=0.005)
        # Or nothing was quantized.
        self.assertGreater(
            np.abs(quantized["logits"] - floats["logits"]).max(), 1e-3
        )

    def test_several_subnets_share_a_saved_model(self):
        subnets = (SUBNET, *OTHERS)
        folder = self._export("elastic", subnets)
        signatures = tf.saved_model.load(folder).signatures
        images = tf.constant(self.images)
        files = [tf.io.encode_png(tf.cast(images[0] * 255, tf.uint8)), b"?"]
        listed = json.loads(
            (folder / "assets.extra" / "architectures.json").read_text()
        )
        for each, entry in zip(subnets, listed, strict=True):
            self.assertEqual(entry["architecture"], each.to_dict())
            name = entry["signature"]
            self._check(signatures[name](images=images), each, 1e-5)
            answer = signatures[f"{name}_bytes"](image_bytes=tf.stack(files))
            self.assertEqual(answer["errors"][0], b"")
            self.assertNotEqual(answer["errors"][1], b"")
            np.testing.assert_allclose(
                answer["logits"][0], self.logits[each][0], atol=0.1
            )
        self._check(signatures["serving_default"](images=images), SUBNET, 1e-5)
        alone = self._export("alone", [SUBNET])
        self.assertLess(_size(folder), 1.05 * _size(alone))


def _size(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


if __name__ == "__main__":
    absltest.main()
