"""Vectors of tensors: packed, unpacked, and boxes added to them."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.supernet import packing


def _tensors(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes[0]))
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


class PackingTest(parameterized.TestCase):
    @parameterized.parameters(False, True)
    def test_unpacking_gives_what_was_packed(self, jit_compile):
        tensors = _tensors((2, 3), (4,), (), (1, 2, 2))
        shapes = [tf.constant(x.shape, tf.int32) for x in tensors]
        unpack = tf.function(
            packing.unpack, jit_compile=jit_compile, autograph=False
        )

        found = unpack(packing.pack(tensors), shapes)

        for values, wanted in zip(found, tensors, strict=True):
            np.testing.assert_array_equal(values, wanted)

    def test_packs_half_precision_and_repeated_rows_as_float32(self):
        half = tf.constant([1.5, -2.0], tf.bfloat16)
        rows = tf.IndexedSlices(
            tf.constant([[1.0], [2.0], [4.0]]),
            tf.constant([1, 0, 1]),
            tf.constant([2, 1]),
        )

        packed = packing.pack([half, rows])

        self.assertEqual(packed.dtype, tf.float32)
        np.testing.assert_array_equal(packed, [1.5, -2, 2, 5])

    def test_boxes_are_added_to_the_beginnings(self):
        whole = _tensors((3, 2, 4), (5,))
        boxes = _tensors((2, 2, 1), (5,))

        found = packing.add_boxes(
            packing.pack(whole),
            [tf.constant(x.shape) for x in whole],
            packing.pack(boxes),
            [tf.constant(x.shape) for x in boxes],
        )

        whole[0][:2, :, :1] += boxes[0]
        whole[1] += boxes[1]
        np.testing.assert_array_equal(
            found, np.concatenate([x.ravel() for x in whole])
        )


if __name__ == "__main__":
    absltest.main()
