"""The order in which a training reads its images."""

import tensorflow as tf


def endless(
    examples: tf.data.Dataset,
    size: int,
    buffer: int,
    seed: int,
    start: int,
    block: int = 1,
    repeats: int = 1,
) -> tf.data.Dataset:
    """Repeats the examples for ever, each pass in an order of its own.

    One pass follows the other without a gap, and each has every example once.
    With `repeats=r` this stream is cut into blocks of `block` examples, and
    each block comes r times, as in DeiT's repeated augmentation. The copies of
    an example are then `block` elements apart. A pass takes r * `size`
    elements, so that `size` elements have only 1/r of the examples.

    Args:
      examples: Examples, always in the same order.
      size: Number of examples.
      buffer: Number of examples that are held to be shuffled.
      seed: Seed of the order. A pass's order follows from it and from the
        number of the pass.
      start: Number of the first element to return. Passes that end before it
        are not read.
      block: Number of examples that are repeated together.
      repeats: Number of times that each block comes.

    Returns:
      Pairs (number int64, example) with consecutive numbers.
    """
    first_block, skipped = divmod(start, block * repeats)
    first_pass, passed = divmod(first_block * block, size)

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # The seed of this function's graph, so that the process's seed has no
        # influence. If it were 0, TensorFlow would compare the tensor `number`
        # with 0.
        tf.random.set_seed(seed + 1)
        shuffled = examples.shuffle(
            buffer, seed=number, reshuffle_each_iteration=False
        )
        return shuffled.skip(
            tf.where(number == first_pass, tf.constant(passed, tf.int64), 0)
        )

    result = tf.data.Dataset.counter(first_pass).flat_map(one_pass)
    if repeats > 1:
        result = result.window(block).flat_map(
            lambda *parts: tf.data.Dataset.zip(parts).repeat(repeats)
        )
    return result.skip(skipped).enumerate(start)
