"""The tf.data pipelines of training and evaluation."""

import dataclasses

import tensorflow as tf

from tf_autoformer.data import datasets, preprocessing

# Bytes of decoded images that a pipeline holds: a data set that is no larger
# is decoded once, and of a larger one so much is shuffled at a time.
_MEMORY = 2**31


@dataclasses.dataclass(frozen=True)
class Part:
    worker: int = 0
    workers: int = 1
    replicas: int = 1


def images(
    dataset: datasets.Dataset,
    split: datasets.Split,
    image_size: tuple[int, int],
) -> tf.data.Dataset:
    """A split's images as the exported models take them, in order.

    Args:
      dataset: where from.
      split: which of its images.
      image_size: height and width in pixels.

    Returns:
      (image float32 [*image_size, 3], RGB in [0, 1]; label int64).
    """
    crop = dataset.source.crop
    return dataset.read(split).map(
        lambda image, label: (
            preprocessing.to_rgb(
                preprocessing.decode(image), image_size, crop
            ),
            label,
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def training(
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Endless batches of augmented training images.

    Order and augmentation follow from the seed and the step, so that a
    training that continues at `start_step` sees what it would have seen. This
    holds for the first iterator of the result; another one shuffles anew.

    Args:
      dataset: where from.
      image_size: height and width in pixels.
      batch_size: images of one step, over all replicas.
      seed: of order and augmentation.
      start_step: the first step to yield.

    Returns:
      (images float32 [batch, *image_size, 3], normalized;
      labels int64 [batch]) for each step.
    """
    source = dataset.source
    size = dataset.num_examples("train")

    def augment(
        step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, labels = batch
        step_seed = tf.stack([tf.constant(seed, tf.int64), step])
        pixels = source.augment(pixels, tf.cast(step_seed, tf.int32))
        pixels = preprocessing.normalize(pixels, source.mean, source.std)
        return pixels, labels

    held = _images_in_memory(image_size)
    examples = images(dataset, "train", image_size)
    if size <= held:
        examples = examples.cache()
    return (
        examples.shuffle(
            min(size, held), seed=seed, reshuffle_each_iteration=True
        )
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .enumerate()
        .skip(start_step)
        .map(augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation(
    dataset: datasets.Dataset,
    split: datasets.Split,
    image_size: tuple[int, int],
    batch_size: int,
) -> tf.data.Dataset:
    """One pass over a split, in order and without augmentation.

    Args:
      dataset: where from.
      split: which of its images.
      image_size: height and width in pixels.
      batch_size: images of one batch; the last may have fewer.

    Returns:
      (images float32 [batch, *image_size, 3], normalized;
      labels int64 [batch]).
    """
    source = dataset.source
    batches = (
        images(dataset, split, image_size)
        .batch(batch_size)
        .map(
            lambda pixels, labels: (
                preprocessing.normalize(pixels, source.mean, source.std),
                labels,
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    )
    if dataset.num_examples(split) <= _images_in_memory(image_size):
        batches = batches.cache()
    return batches.prefetch(tf.data.AUTOTUNE)


def _images_in_memory(image_size: tuple[int, int]) -> int:
    """How many decoded images may be held in memory."""
    height, width = image_size
    return _MEMORY // (height * width * 3 * 4)
