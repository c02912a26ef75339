"""`export`: each format gives the supernet's answers, in its own runtime."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import options, shared
from tf_autoformer import errors, export, files
from tf_autoformer.data import pipeline, preprocessing
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import warmup
from tf_autoformer.space import architecture as architecture_lib

SUBNET = architecture_lib.Architecture(32, 2, (1, 2), (2.0, 0.5))
OTHERS = (
    architecture_lib.Architecture(16, 2, (2, 1), (0.5, 2.0)),
    architecture_lib.Architecture(32, 2, (1, 1), (0.5, 0.5)),
)
# What a stranger would write who has the runtimes and the files, and no more.
STOCK_CLIENT = """
import sys
import numpy as np
import onnxruntime
import openvino
import tensorflow as tf
folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")
path = f"{folder}/all/model.onnx"
results = {}
session = onnxruntime.InferenceSession(path)
names = [output.name for output in session.get_outputs()]
for name, value in zip(names, session.run(None, {"images": images})):
    results[f"onnxruntime/{name}"] = value
model = openvino.Core().compile_model(path, "CPU")
answer = model({"images": images})
for name in names:
    results[f"openvino/{name}"] = answer[name]
for model in ("all", "int8"):
    interpreter = tf.lite.Interpreter(f"{folder}/{model}/model.tflite")
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, images.shape)
    run = interpreter.get_signature_runner("serving_default")
    for name, value in run(images=images).items():
        results[f"{model}/{name}"] = value
np.savez(f"{folder}/outputs.npz", **results)
assert "tf_autoformer" not in sys.modules
"""


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


class AccuracyTest(absltest.TestCase):
    def test_the_card_has_what_a_search_or_a_fine_tuning_measured(self):
        searched = workdir_lib.Workdir(shared.searched())
        folder = searched.search("default")
        step = files.read_json(folder.config)["checkpoint_step"]
        line = json.loads(folder.candidates.read_text().splitlines()[3])
        subnet = architecture_lib.Architecture.from_dict(line["architecture"])
        accuracy = export._accuracy(searched, subnet, step)
        self.assertEqual(accuracy, line["accuracy"])
        self.assertIsNone(export._accuracy(searched, subnet, step + 1))
        other = architecture_lib.Architecture(1, 1, (1,), (1.0,))
        self.assertIsNone(export._accuracy(searched, other, step))

        tuned = workdir_lib.Workdir(self.create_tempdir().full_path)
        files.write_json(tuned.result, {"validation_accuracy": 0.5})
        self.assertEqual(export._accuracy(tuned, subnet, 0), 0.5)
        for values in ({}, [], {"validation_accuracy": "1"}):
            files.write_json(tuned.result, values)
            with self.assertRaisesRegex(errors.InputError, "result.json"):
                export._accuracy(tuned, subnet, 0)


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

    def test_each_runtime_answers_in_a_process_that_knows_nothing_of_us(self):
        folder = self._export("all", [SUBNET], "--format=onnx,tflite")
        quantized = self._export(
            "int8",
            [SUBNET],
            "--format=tflite",
            *("--quantization=int8", "--calibration_images=50"),
        )
        np.save(self.folder / "images.npy", self.images)
        subprocess.run(
            [sys.executable, "-c", STOCK_CLIENT, str(self.folder)], check=True
        )
        outputs = np.load(self.folder / "outputs.npz")
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, value in outputs.items():
            runtime, output = name.split("/")
            found.setdefault(runtime, {})[output] = value
        for runtime in ("onnxruntime", "openvino", "all"):
            with self.subTest(runtime):
                self._check(found[runtime])
        # At most half a point less accurate, but not for lack of quantizing.
        accuracies = [
            np.mean(np.argmax(found[name]["logits"], axis=1) == self.labels)
            for name in ("all", "int8")
        ]
        self.assertAlmostEqual(*accuracies, delta=0.005)
        difference = found["int8"]["logits"] - found["all"]["logits"]
        self.assertGreater(np.abs(difference).max(), 1e-3)
        small, large = (
            (each / "model.tflite").stat().st_size
            for each in (quantized, folder)
        )
        self.assertLess(small, 0.7 * large)
        self.assertFalse((folder / "saved_model.pb").exists())
        self.assertTrue((folder / "assets.extra" / "labels.json").is_file())

        metadata = {
            each.key: each.value
            for each in onnx.load(folder / "model.onnx").metadata_props
        }
        digits = [str(number) for number in range(10)]
        self.assertEqual(json.loads(metadata["labels"]), digits)
        card = json.loads(metadata["model_card"])
        self.assertEqual(card["architecture"], SUBNET.to_dict())
        self.assertEqual(card["formats"], ["onnx", "tflite"])

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
        warm = [name for name, _ in warmup.read(folder / "assets.extra")]
        self.assertCountEqual(warm, signatures)
        alone = self._export("alone", [SUBNET])
        self.assertLess(_size(folder), 1.05 * _size(alone))


def _size(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


if __name__ == "__main__":
    absltest.main()
