"""An export serves the supernet's subnet in runtimes that know nothing of us.

Every runtime runs with its default options, TensorFlow in a fresh process: its
graph optimizer can abort the process on graphs that are correct.
"""

import dataclasses
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tf_autoformer import errors
from tf_autoformer.data.sources import datasets
from tf_autoformer.serving import savedmodel, warmup
from tf_autoformer.serving import served as served_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, model, search_space
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.supernet import supernet as supernet_lib

SPACE = search_space.SearchSpace(
    embed_dims=(16, 24),
    depths=(2, 3),
    num_heads=(1, 2, 3),
    mlp_ratios=(1.0, 2.0),
)
# Smaller than the supernet in every dimension, and no two blocks alike.
SUBNET = architecture_lib.Architecture(
    embed_dim=16, depth=2, num_heads=(2, 1), mlp_ratio=(1.0, 2.0)
)
EXPORTS = {  # name -> (pooling, position, architecture)
    "subnet": ("average", "both", SUBNET),
    "class_token": ("cls", "relative", SUBNET),
    "largest": ("average", "absolute", SPACE.largest),
}
DIGITS = datasets.source("digits")
SIZE = 12
TOLERANCE = 1e-4

# What a stranger would write who has TensorFlow and the folders, and no more.
STOCK_CLIENT = """
import sys
import numpy as np
import tensorflow as tf
inputs, *folders = sys.argv[1:]
inputs = np.load(inputs, allow_pickle=True)
def call(signature, prefix, **arguments):
    for name, value in model.signatures[signature](**arguments).items():
        results[f"{prefix}/{name}"] = np.array(value.numpy().tolist())
for folder in folders:
    model = tf.saved_model.load(folder)
    results = {}
    for size in (1, 7):
        images = tf.constant(inputs["images"][:size])
        call("serving_default", f"batch_{size}", images=images)
    image_bytes = tf.constant(list(inputs["image_bytes"]))
    call("serving_bytes", "bytes", image_bytes=image_bytes)
    np.savez(f"{folder}_outputs.npz", **results)
assert "tf_autoformer" not in sys.modules
"""


def _supernet(pooling: str, position: str) -> supernet_lib.Supernet:
    """One whose every weight matters: none is 0, no norm is the identity."""
    tf.keras.utils.set_random_seed(1)
    config = model.ModelConfig(
        num_classes=10,
        image_size=SIZE,
        patch_size=4,
        head_dim=8,
        pooling=pooling,
        position=position,
        max_relative_offset=1,
    )
    supernet = supernet_lib.Supernet(config, SPACE)
    for variable in supernet.variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
    return supernet


def _run(*command: str) -> None:
    """Runs Python in a process with TensorFlow's default options."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TF_")
    }
    environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
    completed = subprocess.run(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise AssertionError(
            f"{command[:2]} ended with {completed.returncode}:\n"
            f"{completed.stdout[-3000:]}"
        )


def _encoded_images() -> list[bytes]:
    """JPEG and PNG, grey and RGB, of several sizes."""
    rng = np.random.default_rng(2)

    def pixels(height: int, width: int, channels: int) -> tf.Tensor:
        # Smooth, as an image is; JPEG would turn noise into other noise.
        coarse = rng.uniform(0, 255, [1, 4, 5, channels])
        fine = tf.image.resize(coarse, [height, width], "bicubic")[0]
        return tf.cast(tf.clip_by_value(fine, 0, 255), tf.uint8)

    return [
        tf.io.encode_png(pixels(30, 20, 1)).numpy(),
        tf.io.encode_jpeg(pixels(17, 41, 3), quality=95).numpy(),
        tf.io.encode_png(pixels(5, 9, 3)).numpy(),
        tf.io.encode_jpeg(pixels(64, 64, 1), quality=95).numpy(),
        tf.io.encode_png(pixels(SIZE, SIZE, 3)).numpy(),
    ]


def _decoded(encoded: bytes) -> tf.Tensor:
    """The image as `serving_default` takes it, by Pillow and tf.image."""
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    pixels = tf.cast(pixels, tf.float32) / 255
    resized = tf.image.resize(pixels, [SIZE, SIZE], "bicubic", antialias=True)
    return tf.clip_by_value(resized, 0, 1)


class ExportTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.supernets = {}
        for name, (pooling, position, architecture) in EXPORTS.items():
            cls.supernets[name] = _supernet(pooling, position)
            savedmodel.export(
                cls.supernets[name], architecture, DIGITS, cls.folder / name
            )
        rng = np.random.default_rng(3)
        cls.images = rng.uniform(size=[7, SIZE, SIZE, 3]).astype(np.float32)

    def _supernet_logits(self, name: str, images: tf.Tensor) -> np.ndarray:
        source = DIGITS
        normalized = (images - np.float32(source.mean)) / np.float32(source.std)
        logits = self.supernets[name](normalized, EXPORTS[name][-1]).numpy()
        # Else a comparison would prove little.
        self.assertGreater(np.std(logits, axis=0).min(), 0.05)
        return logits

    def _check_outputs(self, outputs, logits: np.ndarray) -> None:
        np.testing.assert_allclose(
            outputs["logits"], logits, TOLERANCE, TOLERANCE
        )
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(
            outputs["probabilities"],
            exponentials / exponentials.sum(axis=1, keepdims=True),
            TOLERANCE,
            TOLERANCE,
        )
        # The labels of the digits are the digits.
        labels = [str(index) for index in logits.argmax(axis=1)]
        self.assertEqual(list(np.array(outputs["classes"]).astype(str)), labels)

    def test_stock_tensorflow_gives_the_supernets_logits(self):
        encoded = _encoded_images()
        inputs = self.folder / "inputs.npz"
        image_bytes = np.array(encoded, object)
        np.savez(inputs, images=self.images, image_bytes=image_bytes)
        decoded = tf.stack([_decoded(image) for image in encoded])
        folders = [str(self.folder / name) for name in EXPORTS]
        _run("-c", STOCK_CLIENT, str(inputs), *folders)
        for name, folder in zip(EXPORTS, folders, strict=True):
            with self.subTest(name):
                outputs = np.load(f"{folder}_outputs.npz")
                logits = self._supernet_logits(name, self.images)
                for prefix, expected in {
                    "batch_1": logits[:1],
                    "batch_7": logits,
                    "bytes": self._supernet_logits(name, decoded),
                }.items():
                    self._check_outputs(
                        {
                            output: outputs[f"{prefix}/{output}"]
                            for output in ("logits", "probabilities", "classes")
                        },
                        expected,
                    )

    def test_saved_model_cli_gives_the_supernets_logits(self):
        path = self.folder / "images.npy"
        np.save(path, self.images)
        results = self.folder / "cli"
        _run(
            *("-m", "tensorflow.python.tools.saved_model_cli", "run"),
            f"--dir={self.folder / 'subnet'}",
            "--tag_set=serve",
            "--signature_def=serving_default",
            f"--inputs=images={path}",
            f"--outdir={results}",
        )
        outputs = {
            file.stem: np.load(file, allow_pickle=True)
            for file in results.glob("*.npy")
        }
        logits = self._supernet_logits("subnet", self.images)
        self._check_outputs(outputs, logits)

    def test_the_files_hold_the_subnets_weights_and_nothing_else(self):
        for name, (*_, architecture) in EXPORTS.items():
            prefix = self.folder / name / "variables" / "variables"
            reader = tf.train.load_checkpoint(str(prefix))
            dtypes = reader.get_variable_to_dtype_map()
            stored = sum(
                np.prod(shape, dtype=int) * dtypes[key].size
                for key, shape in reader.get_variable_to_shape_map().items()
                if dtypes[key] != tf.string  # How the objects hang together.
            )
            params = cost.params(self.supernets[name].model, architecture)
            self.assertEqual(stored, 4 * params)

    def test_every_warmup_request_runs(self):
        export = self.folder / "subnet"
        signatures = tf.saved_model.load(str(export)).signatures
        path = export / "assets.extra" / "tf_serving_warmup_requests"
        called = []
        for record in tf.data.TFRecordDataset(str(path)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            signature = request.model_spec.signature_name
            outputs = signatures[signature](
                **{
                    name: tf.constant(tf.make_ndarray(value))
                    for name, value in request.inputs.items()
                }
            )
            self.assertEqual(outputs["logits"].shape, [1, 10])
            called.append(signature)
        self.assertCountEqual(called, signatures)

    def test_the_folder_tells_its_architecture(self):
        found = savedmodel.exported_architecture(self.folder / "subnet")
        self.assertEqual(found, SUBNET)
        savedmodel.require_free(self.folder / "subnet", SUBNET)
        with self.assertRaisesRegex(errors.InputError, "exists already"):
            savedmodel.require_free(self.folder / "subnet", SPACE.largest)
        savedmodel.require_free(self.create_tempdir().full_path)  # Empty.


class ImageSizeTest(absltest.TestCase):
    def test_an_export_of_another_size_crops_as_the_source_says(self):
        supernet = _supernet("average", "both")
        served = served_lib.of_model(
            subnet_lib.inherit(supernet, SUBNET, (8, 16)),
            dataclasses.replace(DIGITS, crop=0.5),
        )
        signatures = served.signatures()
        pixels = np.random.default_rng(4).integers(0, 256, [16, 64, 3])
        encoded = tf.io.encode_png(np.uint8(pixels))
        # Half of each side of the 16 × 32 pixels in the centre: no resize.
        box = pixels[4:12, 24:40] / 255
        from_bytes, from_pixels = (
            signatures["serving_bytes"](image_bytes=encoded[None]),
            signatures["serving_default"](
                images=tf.constant(box[None], tf.float32)
            ),
        )
        self.assertEqual(from_pixels["logits"].shape, [1, 10])
        np.testing.assert_allclose(
            from_bytes["logits"], from_pixels["logits"], TOLERANCE, TOLERANCE
        )

    def test_an_exported_folder_takes_images_of_that_size(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        supernet = _supernet("average", "both")
        savedmodel.export(supernet, SUBNET, DIGITS, folder, (8, 16))
        signature = tf.saved_model.load(folder).signatures["serving_default"]
        outputs = signature(images=tf.zeros([2, 8, 16, 3]))
        self.assertEqual(outputs["logits"].shape, [2, 10])


class LabelsTest(absltest.TestCase):
    def test_those_of_the_source_are_answered_and_listed(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        labels = tuple(f"class {letter}" for letter in "ABCDEFGHIJ")
        supernet = _supernet("average", "both")
        savedmodel.export(
            supernet, SUBNET, dataclasses.replace(DIGITS, labels=labels), folder
        )
        signature = tf.saved_model.load(folder).signatures["serving_default"]
        images = np.random.default_rng(5).uniform(size=[50, SIZE, SIZE, 3])
        outputs = signature(images=tf.constant(images, tf.float32))

        found = [name.decode() for name in outputs["classes"].numpy()]
        likeliest = np.argmax(outputs["logits"], -1)
        self.assertEqual(found, [labels[number] for number in likeliest])
        self.assertGreater(len(set(found)), 1)
        listed = folder / "assets.extra" / "labels.json"
        self.assertEqual(json.loads(listed.read_text()), list(labels))


class FailedExportTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.parent = pathlib.Path(self.create_tempdir().full_path)

    def _export(self) -> None:
        supernet = _supernet("average", "both")
        savedmodel.export(supernet, SUBNET, DIGITS, self.parent / "1")

    def test_an_existing_folder_is_refused_and_untouched(self):
        (self.parent / "1").mkdir()
        (self.parent / "1" / "precious").write_text("content")
        with self.assertRaisesRegex(errors.InputError, r"1 exists already"):
            self._export()
        files = [path for path in self.parent.rglob("*") if path.is_file()]
        self.assertEqual(files, [self.parent / "1" / "precious"])
        self.assertEqual(files[0].read_text(), "content")

    def test_an_image_size_of_no_whole_patches_leaves_nothing(self):
        supernet = _supernet("average", "both")
        with self.assertRaisesRegex(
            errors.InputError, r"image_size is \(8, 10\); .* patch_size, 4"
        ):
            savedmodel.export(
                supernet, SUBNET, DIGITS, self.parent / "1", (8, 10)
            )
        self.assertEmpty(list(self.parent.iterdir()))

    def test_an_architecture_outside_the_space_leaves_nothing(self):
        supernet = _supernet("average", "both")
        outside = architecture_lib.Architecture(16, 2, (2, 4), (1.0, 1.0))
        with self.assertRaisesRegex(
            errors.InputError, r"num_heads\[1\] is 4, .* 1, 2, 3"
        ):
            savedmodel.export(supernet, outside, DIGITS, self.parent / "1")
        self.assertEmpty(list(self.parent.iterdir()))

    def test_a_failure_while_saving_leaves_nothing(self):
        def save(served, folder, **_):
            (pathlib.Path(folder) / "saved_model.pb").write_text("half")
            raise tf.errors.ResourceExhaustedError(None, None, "disk full")

        with (
            mock.patch.object(tf.saved_model, "save", save),
            self.assertRaisesRegex(errors.InputError, "1: disk full"),
        ):
            self._export()
        self.assertEmpty(list(self.parent.iterdir()))

    def test_a_failure_after_saving_leaves_nothing(self):
        def write(*_):
            raise tf.errors.ResourceExhaustedError(None, None, "disk full")

        with (
            mock.patch.object(warmup, "write", write),
            self.assertRaisesRegex(errors.InputError, "1: disk full"),
        ):
            self._export()
        self.assertEmpty(list(self.parent.iterdir()))


if __name__ == "__main__":
    absltest.main()
