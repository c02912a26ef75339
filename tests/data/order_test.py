"""The order of the images: passes, repeats, and where it continues."""

import collections
import itertools

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.data import order

SIZE = 23


def _take(
    count: int, start: int = 0, buffer: int = SIZE, seed: int = 1, **repeats
) -> list[tuple[int, int]]:
    """(number, example) of consecutive elements."""
    elements = order.endless(
        tf.data.Dataset.range(SIZE).map(lambda x: (x, -x)),
        SIZE,
        buffer,
        seed,
        start,
        **repeats,
    )
    taken = list(itertools.islice(elements.as_numpy_iterator(), count))
    for _, (example, negative) in taken:
        assert negative == -example
    return [(int(number), int(example)) for number, (example, _) in taken]


def _examples(*arguments, **keywords) -> list[int]:
    return [example for _, example in _take(*arguments, **keywords)]


class EndlessTest(parameterized.TestCase):
    @parameterized.parameters(1, 5, SIZE)
    def test_every_pass_has_every_example_once(self, buffer):
        found = np.reshape(_examples(4 * SIZE, buffer=buffer), [4, SIZE])
        np.testing.assert_array_equal(np.sort(found), [range(SIZE)] * 4)

    def test_every_pass_has_an_order_of_its_own(self):
        found = np.reshape(_examples(4 * SIZE), [4, SIZE])
        self.assertLen(np.unique(found, axis=0), 4)
        self.assertNotEqual(found[0].tolist(), list(range(SIZE)))

    def test_an_example_may_stand_anywhere(self):
        passes = 200
        found = np.reshape(_examples(passes * SIZE), [passes, SIZE])
        for place in (0, SIZE // 2, SIZE - 1):
            counts = np.bincount(found[:, place], minlength=SIZE)
            # Five deviations of what a uniform order gives.
            expected = passes / SIZE
            self.assertLess(np.abs(counts - expected).max(), 5 * expected**0.5)

    def test_no_more_than_the_buffer_are_held(self):
        for place, example in enumerate(_examples(SIZE, buffer=4)):
            self.assertLess(example, place + 4)

    @parameterized.product(
        start=(1, 7, SIZE - 1, SIZE, 2 * SIZE + 3, 101),
        repeats=({}, {"block": 4, "repeats": 3}, {"block": 1, "repeats": 2}),
    )
    def test_from_any_number_on_it_is_the_same(self, start, repeats):
        whole = _take(140, buffer=9, **repeats)
        self.assertEqual(
            _take(30, start, buffer=9, **repeats), whole[start : start + 30]
        )
        self.assertEqual([number for number, _ in whole], list(range(140)))

    def test_the_seed_decides_and_the_processs_seed_does_not(self):
        first = _examples(50)
        tf.random.set_seed(99)
        self.assertEqual(_examples(50), first)
        self.assertNotEqual(_examples(50, seed=2), first)

    def test_blocks_are_repeated_in_the_order_without_repeats(self):
        plain = _examples(90)
        found = _examples(270, block=10, repeats=3)
        for block in range(9):
            expected = 3 * plain[10 * block : 10 * block + 10]
            self.assertEqual(found[30 * block : 30 * block + 30], expected)

    def test_every_example_comes_as_often_in_as_many_sizes_as_repeats(self):
        # Of 24 = 3 · 8 elements each: SIZE blocks of 8 are 8 passes.
        found = _examples(3 * 8 * SIZE, block=8, repeats=3)
        counts = collections.Counter(found)
        self.assertEqual(set(counts.values()), {3 * 8})
        # Of what would be one epoch, a third of the examples.
        self.assertLen(set(found[:24]), 8)

    def test_no_more_than_the_started_pass_is_read_to_skip(self):
        read = []

        def count(x: tf.Tensor) -> tf.Tensor:
            tf.py_function(lambda: read.append(1), [], [])
            return x

        examples = tf.data.Dataset.range(SIZE).map(count)
        elements = order.endless(examples, SIZE, 1, 0, 1000 * SIZE + 20)
        next(iter(elements))
        self.assertLessEqual(len(read), SIZE)


if __name__ == "__main__":
    absltest.main()
