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
    """Examples for ever, each pass over them in an order of its own.

    One pass follows the other without a gap, and each has every example once.
    With repeats, blocks of `block` examples, whatever their passes, come
    `repeats` times each, as DeiT's repeated augmentation has it: copies stand
    `block` apart, and `size` elements have a share of 1/`repeats` of the
    examples. The next `size` have others: a pass takes `repeats` times `size`
    elements, in which every example comes `repeats` times.

    Args:
      examples: what to read, always in the same order.
      size: how many they are.
      buffer: how many are held to be shuffled.
      seed: with a pass's number it decides the pass's order.
      start: number of the first element; those before are skipped, and of the
        examples only those of a started pass are read for it.
      block: examples that are repeated together.
      repeats: of each block.

    Returns:
      (number int64, element of `examples`), of consecutive numbers.
    """
    first_block, skipped = divmod(start, block * repeats)
    first_pass, passed = divmod(first_block * block, size)

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # Of this function's graph: the process's seed is of no influence.
        # Of zero it would compare the tensor `number` with zero.
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
