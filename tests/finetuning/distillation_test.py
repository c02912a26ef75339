"""A student's loss is half the labels' and half the teacher's."""

import dataclasses

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import known_data
from tf_autoformer.finetuning import distillation, finetuning_config
from tf_autoformer.supernet import subnet as subnet_lib


class LargestSubnetTest(tiny.WorkdirTest):
    @parameterized.parameters("hard", "soft")
    def test_it_answers_in_the_students_order_for_its_pixels(self, kind):
        known = known_data.source(self.workdir, self.data_dir)
        order = [3, 1, 9, 0]
        source = dataclasses.replace(
            known,
            labels=tuple(known.labels[each] for each in order),
            mean=(0.1, 0.2, 0.3),
        )
        task = finetuning_config.Task(
            finetuning_config.InitialConfig(
                supernet=self.workdir.root, architecture=tiny.SPACE.smallest
            ),
            finetuning_config.FinetuningConfig(
                teacher="largest", distillation=kind
            ),
            augmentation_config.NONE,
            {},
        )
        teacher = distillation.teacher(task, source, self.data_dir)
        pixels = np.random.default_rng(0).random([30, 8, 8, 3])

        def normalized(mean):
            return np.float32((pixels - mean) / source.std)

        found = teacher.targets(tf.constant(normalized(source.mean))).numpy()

        largest = subnet_lib.inherit(self.supernet, tiny.SPACE.largest)
        logits = largest(normalized(known.mean)).numpy()[:, order]
        wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        if kind == "hard":
            wanted = np.eye(4)[logits.argmax(1)]
            self.assertGreater((wanted.sum(0) > 0).sum(), 1)
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        others = dataclasses.replace(source, labels=("3", "cat"))
        with self.assertRaisesRegex(errors.InputError, "class 1, 'cat'"):
            distillation.teacher(task, others, self.data_dir)


class StudentTest(absltest.TestCase):
    def test_the_loss_is_half_the_teachers_in_training_alone(self):
        tf.keras.utils.set_random_seed(0)
        inputs = tf.keras.Input([4])
        network = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inputs))
        taught = np.float32([[0.2, 0.3, 0.5], [1, 0, 0]])

        class Fixed:
            def targets(self, images):
                return tf.constant(taught)

        student = distillation.Student(network, Fixed())
        student.compile(
            tf.keras.optimizers.legacy.SGD(0.0),
            tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        )
        images = np.float32(np.random.default_rng(0).normal(size=[2, 4]))
        labels = np.float32([[0, 1, 0], [0, 0, 1]])
        losses = -tf.nn.log_softmax(network(images)).numpy()
        found = student.train_on_batch(images, labels)
        half = (labels + taught) / 2
        self.assertAlmostEqual(found, (half * losses).sum() / 2, places=5)
        found = student.test_on_batch(images, labels)
        self.assertAlmostEqual(found, (labels * losses).sum() / 2, places=5)
        self.assertIs(student.trainable_variables[0], network.variables[0])


if __name__ == "__main__":
    absltest.main()
