"""The pipelines: what comes, in which order, and from where they continue."""

import collections
import dataclasses
import itertools
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data import datasets, pipeline, preprocessing

SIZE = (8, 8)
THIRD = 383  # of the 1,149 training images: three steps are an epoch.
# Bytes that hold a hundred decoded images of this size, or all of them.
LITTLE_MEMORY = 100 * 8 * 8 * 3 * 4
MUCH_MEMORY = 1149 * 8 * 8 * 3 * 4


def _take(batches: tf.data.Dataset, count: int) -> list:
    return list(itertools.islice(batches.as_numpy_iterator(), count))


class PipelineTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dataset = datasets.load("digits", folder.name)

    def _plain(self, **changes) -> datasets.Dataset:
        """The data set without augmentation and normalization."""
        plain = {
            "augment": lambda images, seed: images,
            "mean": (0.0,) * 3,
            "std": (1.0,) * 3,
        }
        source = dataclasses.replace(self.dataset.source, **(plain | changes))
        return dataclasses.replace(self.dataset, source=source)

    def _limit_memory(self, bytes_held: int):
        self.enter_context(mock.patch.object(pipeline, "_MEMORY", bytes_held))

    def _assert_same(self, found: list, expected: list):
        self.assertLen(found, len(expected))
        for batch, expected_batch in zip(found, expected, strict=True):
            for part, expected_part in zip(batch, expected_batch, strict=True):
                np.testing.assert_array_equal(part, expected_part)


class TrainingTest(PipelineTest):
    @parameterized.parameters(LITTLE_MEMORY, MUCH_MEMORY)
    def test_from_any_step_on_it_is_the_uninterrupted_stream_to_the_bit(
        self, memory
    ):
        self._limit_memory(memory)
        # 1149 / 400: steps 2 and 5 hold images of two epochs.
        whole = _take(pipeline.training(self.dataset, SIZE, 400, seed=1), 8)
        for start_step in (1, 2, 3, 6):
            with self.subTest(start_step=start_step):
                rest = pipeline.training(
                    self.dataset, SIZE, 400, seed=1, start_step=start_step
                )
                expected = whole[start_step:][:2]
                self._assert_same(_take(rest, 2), expected)

    def test_the_seed_decides_order_and_augmentation(self):
        first, same, other = (
            _take(pipeline.training(self.dataset, SIZE, 64, seed), 1)[0]
            for seed in (1, 1, 2)
        )
        self._assert_same([first], [same])
        self.assertNotEqual(first[1].tolist(), other[1].tolist())

    @parameterized.parameters(LITTLE_MEMORY, MUCH_MEMORY)
    def test_every_epoch_has_every_image_once_in_a_new_order(self, memory):
        self._limit_memory(memory)
        # Batches that are no part of an epoch.
        steps = _take(pipeline.training(self._plain(), SIZE, 400, seed=3), 6)
        expected = collections.Counter(
            (np.rint(image[..., 0] * (16 / 255)).astype(int).tobytes(), label)
            for image, label in self.dataset.read("train").as_numpy_iterator()
        )
        found = [
            (np.rint(image[..., 0] * 16).astype(int).tobytes(), label)
            for batch in steps
            for image, label in zip(*batch, strict=True)
        ]
        orders = found[:1149], found[1149:2298]
        self.assertEqual(collections.Counter(orders[0]), expected)
        self.assertEqual(collections.Counter(orders[1]), expected)
        self.assertNotEqual(orders[0], orders[1])

    def test_no_more_than_fit_in_memory_are_shuffled_at_a_time(self):
        self._limit_memory(LITTLE_MEMORY)
        source = self.dataset.source
        numbered = tf.data.Dataset.range(1149).map(
            lambda number: (tf.zeros([8, 8, 3], tf.uint8), number)
        )
        with mock.patch.object(datasets.Dataset, "read") as read:
            read.return_value = numbered
            batches = pipeline.training(self._plain(), SIZE, 50, seed=8)
        read.assert_called_once_with(source.train)
        ((_, numbers),) = _take(batches, 1)
        self.assertBetween(max(numbers), 60, 149)

    @parameterized.parameters(
        (LITTLE_MEMORY, False), (MUCH_MEMORY - 1, False), (MUCH_MEMORY, True)
    )
    def test_what_fits_in_memory_is_decoded_once(self, memory, fits):
        self._limit_memory(memory)
        decoded = []
        to_rgb = preprocessing.to_rgb

        def counted(image, *arguments):
            tf.py_function(lambda: decoded.append(1), [], [])
            return to_rgb(image, *arguments)

        with mock.patch.object(preprocessing, "to_rgb", counted):
            batches = pipeline.training(self._plain(), SIZE, THIRD, seed=3)
            _take(batches, 6)  # Two epochs.
        if fits:
            self.assertLen(decoded, 1149)
        else:
            self.assertGreaterEqual(len(decoded), 2 * 1149)

    def test_each_step_is_augmented_by_a_seed_of_its_own(self):
        def show_seed(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            channels = tf.concat([seed, [0]], axis=0)
            return tf.zeros_like(images) + tf.cast(channels, tf.float32)

        shown = self._plain(augment=show_seed)
        for start_step in (0, 2):
            steps = _take(pipeline.training(shown, SIZE, 50, 4, start_step), 3)
            seeds = [images[0, 0, 0].tolist() for images, _ in steps]
            expected = [[4, start_step + step, 0] for step in range(3)]
            self.assertEqual(seeds, expected)

    def test_the_sources_augmentation_is_applied(self):
        mean, std = self.dataset.source.mean, self.dataset.source.std
        (changed, labels), (plain, same) = (
            _take(pipeline.training(dataset, SIZE, 256, seed=5), 1)[0]
            for dataset in (self.dataset, self._plain(mean=mean, std=std))
        )
        np.testing.assert_array_equal(labels, same)
        difference = np.abs(changed - plain).max(axis=(1, 2, 3))
        self.assertGreater(np.mean(difference > 0.05), 0.99)

    def test_images_have_zero_mean_and_unit_variance(self):
        mean, std = self.dataset.source.mean, self.dataset.source.std
        plain = self._plain(mean=mean, std=std)
        epoch = _take(pipeline.training(plain, SIZE, THIRD, seed=6), 3)
        images = np.concatenate([images for images, _ in epoch])
        np.testing.assert_allclose(images.mean((0, 1, 2)), 0, atol=0.01)
        np.testing.assert_allclose(images.std((0, 1, 2)), 1, atol=0.01)

    def test_shapes_and_types(self):
        batches = pipeline.training(self.dataset, (16, 24), 32, seed=7)
        images, labels = batches.element_spec
        self.assertEqual(images, tf.TensorSpec([32, 16, 24, 3], tf.float32))
        self.assertEqual(labels, tf.TensorSpec([32], tf.int64))


class ImagesTest(PipelineTest):
    @parameterized.parameters(None, 0.5)
    def test_images_are_resized_or_cropped_as_the_source_says(self, crop):
        found = pipeline.images(self._plain(crop=crop), "test", (6, 12))
        self.assertEqual(found.element_spec[0].shape, [6, 12, 3])
        self.assertLen(found, 360)
        stored = self.dataset.read("test").take(10)
        for (image, label), (original, original_label) in zip(
            found, stored, strict=False
        ):
            expected = preprocessing.to_rgb(original, (6, 12), crop)
            np.testing.assert_allclose(image, expected, atol=1e-6)
            self.assertEqual(label, original_label)


class EvaluationTest(PipelineTest):
    @parameterized.parameters(LITTLE_MEMORY, MUCH_MEMORY)
    def test_order_and_count_are_the_splits(self, memory):
        self._limit_memory(memory)
        batches = list(
            pipeline.evaluation(
                self.dataset, "validation", SIZE, 100
            ).as_numpy_iterator()
        )
        self.assertEqual([len(y) for _, y in batches], [100, 100, 88])
        stored = list(self.dataset.read("validation").as_numpy_iterator())
        images = np.stack([image for image, _ in stored])
        np.testing.assert_array_equal(
            np.concatenate([labels for _, labels in batches]),
            [label for _, label in stored],
        )
        # Whole intensities from 0 to 16, of mean 0.305 and deviation 0.376.
        intensities = np.rint(images * (16 / 255)) / 16
        np.testing.assert_allclose(
            np.concatenate([images for images, _ in batches]),
            np.repeat((intensities - 0.305) / 0.376, 3, axis=-1),
            atol=0.01,
        )

    @parameterized.parameters(LITTLE_MEMORY, MUCH_MEMORY)
    def test_a_second_pass_gives_the_same(self, memory):
        self._limit_memory(memory)
        batches = pipeline.evaluation(self.dataset, "test", SIZE, 128)
        first = list(batches.as_numpy_iterator())
        self._assert_same(list(batches.as_numpy_iterator()), first)


if __name__ == "__main__":
    absltest.main()
