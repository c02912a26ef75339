"""The tf.data pipelines of training and evaluation."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tf_autoformer import errors
from tf_autoformer.data import buffering, order, preprocessing
from tf_autoformer.data.augmentation import (
    augment,
    augmentation_config,
    cropping,
    geometric_jitter,
    mixing,
)
from tf_autoformer.data.sources import datasets


@dataclasses.dataclass(frozen=True)
class Part:
    """The rows of each batch that a process makes, and for how many replicas.

    Attributes:
      worker: number of the process.
      workers: processes that share the training, with as many replicas each.
      replicas: of this process.
    """

    worker: int = 0
    workers: int = 1
    replicas: int = 1

    def rows(self, batch_size: int, mixes: bool) -> int:
        """Rows of a replica.

        Raises:
          InputError: the batch cannot be split so, or not into pairs to mix.
        """
        unit = self.workers * self.replicas
        rule = f"the number of replicas, {unit}"
        if mixes:
            rule = f"twice {rule}, as neighbours are mixed"
            unit *= 2
        if batch_size < 1 or batch_size % unit:
            raise errors.InputError(
                f"batch_size is {batch_size}; it must be a multiple of {rule}"
            )
        return batch_size // (self.workers * self.replicas)


_WHOLE = Part()


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
    return _decode(dataset.read(split), dataset, image_size)


def training(
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    recipe: augmentation_config.AugmentationConfig,
    start_step: int = 0,
    part: Part = _WHOLE,
    deterministic: bool = True,
) -> tf.data.Dataset:
    """Endless batches of augmented training images.

    The images of all steps are numbered. Which image a number has, and how it
    is augmented, follows from the seed and the number; how a batch is mixed,
    from the seed and the step. So a training that continues at `start_step`
    sees what it would have seen, and each part of a batch is what it is in the
    whole, to the bit.

    Args:
      dataset: where from.
      image_size: height and width in pixels.
      batch_size: images of one step, over all workers and replicas.
      seed: of order and augmentation.
      recipe: of augmentation.
      start_step: the first step to yield.
      part: which rows of each batch to make; no other is decoded.
      deterministic: whether an image that takes long is waited for; if not,
        others take its place, also in the next batch.

    Returns:
      (images float32 [rows, *image_size, 3], normalized; targets float32
      [rows, classes]) of each replica in turn, for each step.

    Raises:
      InputError: the batch cannot be split as it has to be.
    """
    rows = part.rows(batch_size, recipe.mixes)
    examples, held, decode = _training_examples(dataset, image_size, recipe)
    numbered = order.endless(
        examples,
        dataset.num_examples("train"),
        held,
        seed,
        start_step * batch_size,
        block=max(1, batch_size // recipe.repeated_augmentation),
        repeats=recipe.repeated_augmentation,
    )
    first = part.worker * part.replicas * rows
    if part.workers > 1:
        end = first + part.replicas * rows
        numbered = numbered.filter(
            lambda number, _: (
                (number % batch_size >= first) & (number % batch_size < end)
            )
        )
    source = dataset.source
    image_seed, step_seed = tf.constant([[seed, 0], [seed, 1]])

    def augmented(
        number: tf.Tensor, example: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = example
        crop_seed, changes_seed = _fold(image_seed, number)
        pixels = augment.augment(
            decode(image, crop_seed), recipe, source, changes_seed
        )
        return tf.ensure_shape(pixels, [*image_size, 3]), label

    def finish(
        number: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, labels = batch
        step, replica = number // part.replicas, number % part.replicas
        jitter_seed, mixing_seed = _fold(step_seed, start_step + step)
        if recipe.geometric_jitter:
            # Of the whole batch: a cosine's last bit depends on how many are
            # computed with it.
            drawn = geometric_jitter.draw(batch_size, image_size, jitter_seed)
            row = first + replica * rows
            pixels = geometric_jitter.apply(pixels, drawn[row : row + rows])
        pixels = preprocessing.normalize(pixels, source.mean, source.std)
        targets = tf.one_hot(labels, source.num_classes)
        if recipe.mixes:
            pixels, targets = mixing.mix(pixels, targets, recipe, mixing_seed)
        return pixels, targets

    options = tf.data.Options()
    # Fused with the batch, the map would wait for every image of it.
    options.experimental_optimization.map_and_batch_fusion = deterministic
    return (
        numbered.map(
            augmented,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=deterministic,
        )
        .batch(rows, drop_remainder=True)
        .enumerate()
        .map(finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .with_options(options)
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
    size = dataset.num_examples(split)
    fits = buffering.fits(size, image_size, tf.float32)
    examples = dataset.read(split)
    if not fits:
        examples, _ = buffering.hold_encoded(examples, size)
    batches = (
        _decode(examples, dataset, image_size)
        .batch(batch_size)
        .map(
            lambda pixels, labels: (
                preprocessing.normalize(pixels, source.mean, source.std),
                labels,
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    )
    if fits:
        batches = batches.cache()
    return batches.prefetch(tf.data.AUTOTUNE)


def _training_examples(
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
    recipe: augmentation_config.AugmentationConfig,
) -> tuple[tf.data.Dataset, int, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
    """What is shuffled, how many are held, and how it becomes uint8 pixels."""
    examples = dataset.read("train")
    size = dataset.num_examples("train")

    def crop(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        box = cropping.decode(image, recipe.crop_area, seed)
        return preprocessing.to_levels(preprocessing.resize(box, image_size))

    def whole(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        pixels = preprocessing.to_rgb(
            preprocessing.decode(image), image_size, dataset.source.crop
        )
        return preprocessing.to_levels(pixels)

    if recipe.crop_area or not buffering.fits(size, image_size, tf.uint8):
        held, count = buffering.hold_encoded(examples, size)
        return held, count, crop if recipe.crop_area else whole
    decoded = examples.map(
        lambda image, label: (whole(image, label), label),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return decoded.cache(), size, lambda pixels, _: pixels


def _decode(
    examples: tf.data.Dataset,
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
) -> tf.data.Dataset:
    """Encoded images as `images` has them."""
    crop = dataset.source.crop
    return examples.map(
        lambda image, label: (
            preprocessing.to_rgb(preprocessing.decode(image), image_size, crop),
            label,
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _fold(seed: tf.Tensor, number: tf.Tensor) -> list[tf.Tensor]:
    """Two seeds int32 [2] from one and a number."""
    folded = tf.random.experimental.stateless_fold_in(
        seed, tf.cast(number, tf.int32)
    )
    return tf.unstack(tf.random.experimental.stateless_split(folded, 2))
