"""Training batches: what comes, in which order, and from where it goes on.

Images of one grey level each, which is in no other image; their labels are
their numbers.
"""

import collections
import dataclasses
import itertools
import time
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import encoded
from tf_autoformer import errors
from tf_autoformer.data import buffering, pipeline, preprocessing
from tf_autoformer.data.augmentation import augment as augment_lib
from tf_autoformer.data.augmentation import (
    augmentation_config,
    cropping,
)
from tf_autoformer.supernet import cores

SIZE = (8, 8)
COUNT = 50
PLAIN = augmentation_config.NONE
CROPPED = dataclasses.replace(PLAIN, crop_area=0.3)
JITTERED = dataclasses.replace(PLAIN, geometric_jitter=True)
DEIT = augmentation_config.AugmentationConfig(crop_area=0.3)
# Without what takes seconds to trace.
ALL = dataclasses.replace(
    DEIT, randaugment=0, color_jitter=0, geometric_jitter=True
)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.1, 0.3)
PNG = tf.io.encode_png(np.zeros([10, 12, 3], np.uint8)).numpy()

# Bytes that hold all decoded images, all encoded ones, or a few.
DECODED = COUNT * 8 * 8 * 3
ENCODED = COUNT * len(PNG) * 2
FEW = 10 * len(PNG)


def _encode(number: int) -> bytes:
    return tf.io.encode_png(np.full([10, 12, 3], 5 * number, np.uint8)).numpy()


def _take(batches: tf.data.Dataset, count: int) -> list:
    return list(itertools.islice(batches.as_numpy_iterator(), count))


def _labels(batches: list) -> np.ndarray:
    return np.concatenate([targets.argmax(-1) for _, targets in batches])


class TrainingTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = encoded.dataset(
            [_encode(i) for i in range(COUNT)], mean=MEAN, std=STD
        )

    def _training(self, recipe=PLAIN, batch_size=20, seed=1, **options):
        return pipeline.training(
            self.dataset, SIZE, batch_size, seed, recipe, **options
        )

    def _limit_memory(self, bytes_held: int):
        self.enter_context(mock.patch.object(buffering, "LIMIT", bytes_held))

    def _read_little_ahead(self):
        """Nothing is made in parallel, or more than an element too early."""
        self.enter_context(mock.patch.object(tf.data, "AUTOTUNE", 1))
        self.enter_context(
            mock.patch.object(cores, "available", return_value=1)
        )

    def _count_decoded(self) -> list[bytes]:
        """What is decoded from now on."""
        decoded = []
        decode = preprocessing.decode

        def counted(image, max_pixels):
            tf.py_function(lambda x: decoded.append(x.numpy()), [image], [])
            return decode(image, max_pixels)

        self.enter_context(mock.patch.object(preprocessing, "decode", counted))
        return decoded

    def _assert_same(self, found: list, expected: list):
        self.assertLen(found, len(expected))
        for batch, expected_batch in zip(found, expected, strict=True):
            for part, expected_part in zip(batch, expected_batch, strict=True):
                np.testing.assert_array_equal(part, expected_part)

    @parameterized.parameters(
        (JITTERED, DECODED), (CROPPED, FEW), (ALL, ENCODED)
    )
    def test_from_any_step_on_it_is_the_uninterrupted_stream_to_the_bit(
        self, recipe, memory
    ):
        self._limit_memory(memory)
        # 50 / 20: steps 2 and 7 hold images of two epochs.
        whole = _take(self._training(recipe), 9)
        for start_step in (1, 2, 7):
            with self.subTest(start_step=start_step):
                rest = self._training(recipe, start_step=start_step)
                expected = whole[start_step:][:2]
                self._assert_same(_take(rest, 2), expected)

    @parameterized.parameters(ALL, DEIT)
    def test_the_parts_are_the_rows_that_one_device_sees_to_the_bit(
        self, recipe
    ):
        steps, workers, replicas = 2, 2, 2
        whole = _take(self._training(recipe, 24, start_step=3), steps)
        parts = []
        for worker in range(workers):
            part = pipeline.Part(worker, workers, replicas)
            batches = self._training(recipe, 24, start_step=3, part=part)
            parts.append(_take(batches, steps * replicas))
        rows = 24 // (workers * replicas)
        for step in range(steps):
            elements = [
                part[step * replicas + replica]
                for part in parts
                for replica in range(replicas)
            ]
            self.assertEqual({len(y) for _, y in elements}, {rows})
            found = map(np.concatenate, zip(*elements, strict=True))
            self._assert_same([list(found)], [whole[step]])

    @parameterized.product(
        recipe=(PLAIN, CROPPED), memory=(DECODED, ENCODED, FEW)
    )
    def test_every_epoch_has_every_image_once_with_its_label(
        self, recipe, memory
    ):
        self._limit_memory(memory)
        steps = _take(self._training(recipe), 5)
        labels = _labels(steps)
        self.assertCountEqual(labels[:COUNT], range(COUNT))
        self.assertCountEqual(labels[COUNT:], range(COUNT))
        self.assertNotEqual(labels[:COUNT].tolist(), labels[COUNT:].tolist())
        for images, targets in steps:
            np.testing.assert_array_equal(targets.sum(-1), 1)
            levels = 5 * targets.argmax(-1) / 255
            expected = (levels[:, None] - MEAN) / STD  # By hand.
            np.testing.assert_allclose(
                images,
                np.broadcast_to(expected[:, None, None], images.shape),
                atol=1e-5,
            )

    def test_repeats_are_in_a_batch_each_augmented_anew(self):
        recipe = dataclasses.replace(
            PLAIN, random_erasing=1, repeated_augmentation=3
        )
        steps = _take(self._training(recipe, 24), 25)
        for images, targets in steps:
            labels = targets.argmax(-1)
            self.assertEqual(
                collections.Counter(labels.tolist()),
                {label: 3 for label in labels},
            )
            self.assertTrue((labels[0::2] != labels[1::2]).all())
            self.assertLen(np.unique(images, axis=0), 24)
        # 25 · 24 = 3 · 4 · 50.
        self.assertEqual(
            set(collections.Counter(_labels(steps)).values()), {12}
        )

    def test_the_seed_decides_order_and_augmentation(self):
        first = _take(self._training(ALL), 2)
        tf.random.set_seed(5)  # The process's.
        self._assert_same(_take(self._training(ALL), 2), first)
        other = _take(self._training(ALL, seed=2), 2)
        self.assertFalse(np.array_equal(_labels(first), _labels(other)))

    def test_all_of_a_batch_is_mixed_alike_and_each_batch_anew(self):
        recipe = dataclasses.replace(PLAIN, mixup=0.8)
        shares = []
        for _, targets in _take(self._training(recipe), 6):
            np.testing.assert_allclose(targets.sum(-1), 1, atol=1e-6)
            top = np.sort(targets)[:, -2:]
            np.testing.assert_allclose(top, top[:1].repeat(20, 0), atol=1e-6)
            shares.append(top[0, 0])
        self.assertLen(np.unique(shares), 6)

    def test_no_more_than_fit_in_memory_are_shuffled_at_a_time(self):
        self._limit_memory(FEW)
        labels = _labels(_take(self._training(CROPPED, COUNT), 1))
        self.assertNotEqual(labels.tolist(), sorted(labels))
        for place, label in enumerate(labels):
            self.assertLess(label, place + 15)

    @parameterized.parameters(
        (PLAIN, DECODED, 1), (PLAIN, DECODED - 1, 4), (CROPPED, DECODED, 4)
    )
    def test_what_fits_decoded_is_decoded_once(self, recipe, memory, times):
        self._limit_memory(memory)
        self._read_little_ahead()
        decoded = self._count_decoded()
        _take(self._training(recipe), 10)  # Four epochs.
        self.assertBetween(
            len(decoded), times * COUNT, times * COUNT + 100 * (times > 1)
        )
        self.assertLen(set(decoded), COUNT)

    @parameterized.parameters((ENCODED, 1), (FEW, 4))
    def test_what_fits_encoded_is_read_once(self, memory, times):
        self._limit_memory(memory)
        self._read_little_ahead()
        read = []

        def count(image, label):
            tf.py_function(lambda: read.append(1), [], [])
            return image, label

        plain = self.dataset.read("train")
        with mock.patch.object(
            self.dataset,
            "read",
            lambda split: plain.map(count),
        ):
            batches = self._training(CROPPED)
        read.clear()  # Of the sample.
        _take(batches, 10)
        self.assertBetween(
            len(read), times * COUNT, times * COUNT + 100 * (times > 1)
        )

    def test_nothing_that_is_skipped_is_decoded(self):
        self._read_little_ahead()
        whole = _labels(_take(self._training(CROPPED, 4), 30))
        decoded = self._count_decoded()
        _take(self._training(CROPPED, 4, start_step=14), 1)
        labels = [self.dataset.images.index(image) for image in decoded]
        # Read ahead are at most some batches.
        self.assertBetween(len(labels), 4, 40)
        self.assertEqual(labels, whole[56:][: len(labels)].tolist())

    def test_no_other_workers_rows_are_decoded(self):
        self._read_little_ahead()
        whole = _labels(_take(self._training(CROPPED, 10), 20))
        decoded = self._count_decoded()
        part = pipeline.Part(worker=1, workers=2)
        _take(self._training(CROPPED, 10, part=part), 2)
        labels = [self.dataset.images.index(image) for image in decoded]
        rows = whole.reshape([20, 10])[:, 5:].ravel()
        self.assertBetween(len(labels), 10, 60)
        self.assertEqual(labels, rows[: len(labels)].tolist())

    @parameterized.parameters(True, False)
    def test_a_slow_image_is_waited_for_if_deterministic(self, deterministic):
        self.enter_context(
            mock.patch.object(cores, "available", return_value=4)
        )
        decode = cropping.decode
        slow = _labels(_take(self._training(CROPPED, 20), 1))[0]

        def delayed(image, *arguments):
            def wait(image):
                if image.numpy() == self.dataset.images[slow]:
                    time.sleep(0.5)

            with tf.control_dependencies([tf.py_function(wait, [image], [])]):
                return decode(tf.identity(image), *arguments)

        self.enter_context(mock.patch.object(cropping, "decode", delayed))
        batches = self._training(CROPPED, 20, deterministic=deterministic)
        first = _labels(_take(batches, 1))
        self.assertEqual(first[0] == slow, deterministic)

    @parameterized.parameters(
        (21, ALL, pipeline.Part(), "twice the number of replicas, 1"),
        (20, ALL, pipeline.Part(0, 2, 3), "twice the number of replicas, 6"),
        (6, ALL, pipeline.Part(0, 1, 2), "twice the number of replicas, 2"),
        (5, PLAIN, pipeline.Part(0, 2, 1), "the number of replicas, 2"),
        (0, PLAIN, pipeline.Part(), "the number of replicas, 1"),
    )
    def test_a_batch_that_cannot_be_split_is_refused(
        self, batch_size, recipe, part, rule
    ):
        message = f"batch_size is {batch_size}; it must be a multiple of {rule}"
        with self.assertRaisesRegex(errors.InputError, f"^{message}"):
            self._training(recipe, batch_size, part=part)

    def test_shapes_and_types(self):
        for recipe in (PLAIN, ALL):
            batches = pipeline.training(
                self.dataset, (16, 24), 32, 7, recipe, part=pipeline.Part(0, 2)
            )
            images, targets = batches.element_spec
            self.assertEqual(images, tf.TensorSpec([16, 16, 24, 3], tf.float32))
            self.assertEqual(targets, tf.TensorSpec([16, COUNT], tf.float32))

    def test_each_image_is_augmented_with_a_seed_of_its_own(self):
        seeds = []

        def augment(image, recipe, source, seed):
            tf.py_function(lambda x: seeds.append(tuple(x.numpy())), [seed], [])
            return tf.image.convert_image_dtype(image, tf.float32)

        with mock.patch.object(augment_lib, "augment", augment):
            batches = self._training()
        _take(batches, 3)
        self.assertGreaterEqual(len(seeds), 60)
        self.assertLen(set(seeds), len(seeds))


if __name__ == "__main__":
    absltest.main()
