"""Teachers: what they are asked, what they answer, what is none."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import tiny, trainings
from tf_autoformer import errors
from tf_autoformer.data.sources import datasets, names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import teacher
from tf_autoformer.serving import savedmodel
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib

MEAN, STD = (0.4, 0.5, 0.6), (0.3, 0.2, 0.25)
SPACE = tiny.SMALL_SPACE


def _weights(side: int) -> np.ndarray:
    """Of a linear classifier of images of so many pixels a side."""
    shape = [side * side * 3, tiny.MODEL.num_classes]
    weights = np.random.RandomState(1).randn(*shape)
    return (weights - weights.mean(0)).astype(np.float32)


def _images(count: int, side: int) -> np.ndarray:
    """Normalized images."""
    pixels = np.random.RandomState(2).rand(count, side, side, 3)
    return ((pixels - MEAN) / STD).astype(np.float32)


def _as_pixels(images: np.ndarray) -> np.ndarray:
    return images * np.float32(STD) + np.float32(MEAN)


class TeacherTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "model"

    def _save(self, function, *specs, name="serving_default"):
        module = tf.Module()
        module.weights = tf.Variable(_weights(12))
        traced = tf.function(
            lambda *inputs: function(module.weights, *inputs), autograph=False
        )
        tf.saved_model.save(
            module,
            str(self.folder),
            signatures={name: traced.get_concrete_function(*specs)},
        )

    def _save_linear(self, output="logits"):
        self._save(
            lambda weights, images: {
                output: tf.reshape(images, [-1, 12 * 12 * 3]) @ weights
            },
            tf.TensorSpec([None, 12, 12, 3], name="images"),
        )

    def _teacher(self, classes=tiny.MODEL.num_classes) -> teacher.Teacher:
        labels = tuple(map(str, range(classes)))
        return teacher.Teacher(
            str(self.folder), source_lib.Source(labels, MEAN, STD)
        )

    def _wanted(self, pixels: np.ndarray) -> np.ndarray:
        """One-hot classes of [count, 12, 12, 3]."""
        logits = pixels.reshape([len(pixels), -1]) @ _weights(12)
        return np.eye(tiny.MODEL.num_classes)[logits.argmax(-1)]

    @parameterized.parameters("logits", "probabilities", "anything")
    def test_targets_are_its_likeliest_classes_of_the_pixels(self, output):
        self._save_linear(output)
        images = _images(40, 12)

        found = self._teacher().targets(tf.constant(images))

        wanted = self._wanted(_as_pixels(images))
        self.assertEqual(found.dtype, tf.float32)
        np.testing.assert_array_equal(found, wanted)
        self.assertGreater((wanted.sum(0) > 0).sum(), 2)
        self.assertGreater(np.abs(wanted - self._wanted(images)).max(), 0)

    @parameterized.parameters("logits", "probabilities")
    def test_a_soft_teachers_targets_are_its_probabilities(self, output):
        self._save_linear(output)
        images = _images(5, 12)
        order = (3, 1, 0, 4, 2)
        path = self.folder / names.LABELS_FILE
        path.parent.mkdir()
        path.write_text(json.dumps([str(each) for each in order]))
        labels = tuple(map(str, range(5)))
        soft = teacher.Teacher(
            self.folder, source_lib.Source(labels, MEAN, STD), soft=True
        )

        found = soft.targets(tf.constant(images)).numpy()

        answer = _as_pixels(images).reshape([5, -1]) @ _weights(12)
        if output == "logits":
            answer = np.exp(answer - answer.max(1, keepdims=True))
            answer /= answer.sum(1, keepdims=True)
        np.testing.assert_allclose(
            found[:, list(order)], answer, rtol=1e-3, atol=1e-6
        )

    def test_a_soft_teacher_must_say_what_it_answers(self):
        self._save_linear("anything")
        labels = tuple(map(str, range(5)))
        with self.assertRaisesRegex(errors.InputError, "logits or probab"):
            teacher.Teacher(
                self.folder, source_lib.Source(labels, MEAN, STD), soft=True
            )

    @parameterized.parameters(8, 20)
    def test_images_of_another_size_are_resized_as_pillow_does(self, side):
        self._save_linear()
        images = _images(20, side)

        found = self._teacher().targets(tf.constant(images))

        resized = [
            [
                Image.fromarray(channel).resize((12, 12), Image.BICUBIC)
                for channel in np.moveaxis(each, -1, 0)
            ]
            for each in _as_pixels(images)
        ]
        resized = np.moveaxis(np.array(resized, np.float32), 1, -1)
        np.testing.assert_array_equal(
            found, self._wanted(np.clip(resized, 0, 1))
        )

    def test_an_export_of_this_package_is_a_teacher(self):
        source = datasets.source("digits")
        model = dataclasses.replace(tiny.MODEL, num_classes=10)
        tf.keras.utils.set_random_seed(0)
        supernet = supernet_lib.Supernet(model, SPACE)
        savedmodel.export(supernet, SPACE.smallest, source, self.folder)
        images = tf.constant(_images(20, 12))
        logits = subnet.inherit(supernet, SPACE.smallest)(images)
        answers = [source.labels[each] for each in np.argmax(logits, -1)]
        self.assertGreater(len(set(answers)), 1)

        # In another order of the classes, the names are the same.
        for order in (source.labels, source.labels[::-1]):
            student = dataclasses.replace(source, labels=order)
            taught_by = teacher.Teacher(self.folder, student)
            found = np.argmax(taught_by.targets(images), -1)
            self.assertEqual([order[each] for each in found], answers)

        others = dataclasses.replace(source, labels=tuple("0123x56789"))
        with self.assertRaisesRegex(
            errors.InputError, "class 4, '4', is none of the supernet's 10"
        ):
            teacher.Teacher(self.folder, others)

    @parameterized.parameters(
        "{", "[" * 100_000, '["a", "b"]', '{"a": 1}', "[]"
    )
    def test_damaged_names_of_its_classes_are_refused(self, text):
        self._save_linear()
        path = self.folder / names.LABELS_FILE
        path.parent.mkdir()
        path.write_text(text)
        self._check_refused(f"{path} must be a JSON list of 5 different names$")

    @parameterized.parameters(1, 2)
    def test_the_loss_is_half_the_labels_and_half_the_teachers(self, replicas):
        self._save_linear()
        plain = trainings.Training(space=SPACE)
        with trainings.strategy(replicas).scope():
            taught_by = self._teacher()
        training = trainings.Training(replicas, SPACE, taught_by=taught_by)
        images, labels = trainings.data(1)
        taught = self._wanted(_as_pixels(images))
        self.assertGreater(np.abs(taught - labels).sum(), 2)
        spread = trainings.SMOOTHING / tiny.MODEL.num_classes
        smoothed = labels * (1 - trainings.SMOOTHING) + spread
        logits = subnet.inherit(plain.state.supernet, SPACE.largest)(images)

        (metrics,) = training.run([(SPACE.largest,)])

        mixed = (smoothed + taught) / 2
        loss = -np.mean(np.sum(mixed * tf.nn.log_softmax(logits), -1))
        np.testing.assert_allclose(metrics.losses, [loss], rtol=1e-5)
        supernet = training.state.supernet
        (index,) = (
            i
            for i, variable in enumerate(supernet.trainable_variables)
            if variable is supernet.head.bias
        )
        np.testing.assert_allclose(
            training.gradients()[index],
            np.mean(tf.nn.softmax(logits) - mixed, axis=0),
            atol=1e-6,
        )

    def _check_refused(self, message: str, **options) -> None:
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            self._teacher(**options)
        self.assertIn(f"teacher is '{self.folder}'", str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    def test_a_folder_without_a_model_is_refused(self):
        self._check_refused("it must be a SavedModel")
        self.folder.mkdir()
        self._check_refused("it must be a SavedModel")
        (self.folder / "saved_model.pb").write_bytes(b"damaged")
        self._check_refused("it must be a SavedModel")

    def test_a_model_without_the_signature_is_refused(self):
        self._save(
            lambda _, images: {"logits": images},
            tf.TensorSpec([None, 12, 12, 3]),
            name="other",
        )
        self._check_refused("SavedModel with the signature serving_default")

    def test_other_classes_are_refused(self):
        self._save_linear()
        self._check_refused(
            r"logits of the shape \(None, 5\); it must be of 7 classes",
            classes=7,
        )

    @parameterized.parameters(
        {"specs": [tf.TensorSpec([None, 4], name="x")]},
        {"specs": [tf.TensorSpec([None], tf.string, name="x")]},
        {"specs": [tf.TensorSpec([None, 4, 4, 3], tf.uint8, name="x")]},
        {"specs": [tf.TensorSpec([None, 4, 4, 1], name="x")]},
        {
            "specs": [
                tf.TensorSpec([None, 4, 4, 3], name="x"),
                tf.TensorSpec([None, 4, 4, 3], name="y"),
            ]
        },
    )
    def test_what_takes_something_else_than_images_is_refused(self, specs):
        self._save(
            lambda *_: {"logits": tf.zeros([1, tiny.MODEL.num_classes])}, *specs
        )
        self._check_refused("it must take one batch of float32 RGB images")

    def test_several_outputs_of_unknown_names_are_refused(self):
        self._save(
            lambda *_: {"a": tf.zeros([1, 5]), "b": tf.zeros([1, 5])},
            tf.TensorSpec([None, 12, 12, 3], name="images"),
        )
        self._check_refused("it must answer with logits or probabilities")


if __name__ == "__main__":
    absltest.main()
