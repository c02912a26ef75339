"""The tf.data pipelines of training and evaluation."""

import tensorflow as tf

from tf_autoformer.data import datasets, preprocessing


def training(
    dataset: datasets.Dataset,
    image_size: int,
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
      (images float32 [batch, image_size, image_size, 3], normalized;
      labels int64 [batch]) for each step.
    """
    source = dataset.source
    size = dataset.num_examples(source.train)

    def augment(
        step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = batch
        step_seed = tf.stack([tf.constant(seed, tf.int64), step])
        images = source.augment(images, tf.cast(step_seed, tf.int32))
        images = preprocessing.normalize(images, source.mean, source.std)
        return images, labels

    return (
        _images(dataset, source.train, image_size)
        .cache()
        .shuffle(size, seed=seed, reshuffle_each_iteration=True)
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .enumerate()
        .skip(start_step)
        .map(augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation(
    dataset: datasets.Dataset, split: str, image_size: int, batch_size: int
) -> tf.data.Dataset:
    """One pass over a split, in order and without augmentation.

    Args:
      dataset: where from.
      split: one of the source's.
      image_size: height and width in pixels.
      batch_size: images of one batch; the last may have fewer.

    Returns:
      (images float32 [batch, image_size, image_size, 3], normalized;
      labels int64 [batch]).
    """
    source = dataset.source
    return (
        _images(dataset, split, image_size)
        .batch(batch_size)
        .map(
            lambda images, labels: (
                preprocessing.normalize(images, source.mean, source.std),
                labels,
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .cache()
        .prefetch(tf.data.AUTOTUNE)
    )


def _images(
    dataset: datasets.Dataset, split: str, image_size: int
) -> tf.data.Dataset:
    """(image float32 [image_size, image_size, 3] in [0, 1], label)."""
    return dataset.read(split).map(
        lambda image, label: (preprocessing.to_rgb(image, image_size), label),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
