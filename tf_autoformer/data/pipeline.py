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
from tf_autoformer.supernet import cores


@dataclasses.dataclass(frozen=True)
class Part:
    """The part of each batch that a process makes.

    Attributes:
      worker: Number of the process.
      workers: Number of processes that share the training. All have the same
        number of replicas.
      replicas: Number of replicas of this process.
    """

    worker: int = 0
    workers: int = 1
    replicas: int = 1

    def rows(self, batch_size: int, mixes: bool) -> int:
        """The number of rows of a replica.

        Args:
          batch_size: Number of rows over all processes and replicas.
          mixes: Whether neighbours are mixed, so that a replica needs pairs.

        Raises:
          InputError: The batch cannot be split into equal parts, or not into
            pairs to mix.
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
# AutoGraph takes seconds to rewrite functions that have nothing to rewrite: no
# `if` and no loop of them depends on a tensor.
_as_written = tf.autograph.experimental.do_not_convert


@_as_written
def images(
    dataset: datasets.Dataset,
    split: datasets.Split,
    image_size: tuple[int, int],
) -> tf.data.Dataset:
    """A split's images as the exported models take them, in order.

    Args:
      dataset: Data set to read.
      split: Name of the split.
      image_size: Height and width in pixels.

    Returns:
      Pairs of an image, float32 [*image_size, 3], RGB in [0, 1], and its label,
      int64 [].
    """
    return _decode(dataset.read(split), dataset, image_size)


@_as_written
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

    The images of all steps are numbered. An image and its augmentation follow
    from the seed and the number. The mixing of a batch follows from the seed
    and the step. A training that continues at `start_step` therefore sees the
    same images as one without a stop, and a part of a batch is the same as in
    the whole batch, both to the bit.

    Args:
      dataset: Data set to read.
      image_size: Height and width in pixels.
      batch_size: Number of images of one step, over all workers and replicas.
      seed: Seed of order and augmentation.
      recipe: Recipe of augmentation.
      start_step: First step to return.
      part: Rows of each batch to make. No other row is decoded.
      deterministic: Whether to wait for an image that takes long. Otherwise
        others take its place, also images of the next batch.

    Returns:
      Pairs of normalized images, float32 [rows, *image_size, 3], and targets,
      float32 [rows, classes]. Each step has a pair for each replica.

    Raises:
      InputError: The batch cannot be split into this part. See `Part.rows`.
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
            # Draw for the whole batch: the last bit of a cosine depends on the
            # number of cosines that are computed together.
            drawn = geometric_jitter.draw(batch_size, image_size, jitter_seed)
            row = first + replica * rows
            pixels = geometric_jitter.apply(pixels, drawn[row : row + rows])
        pixels = preprocessing.normalize(pixels, source.mean, source.std)
        targets = tf.one_hot(labels, source.num_classes)
        if recipe.mixes:
            pixels, targets = mixing.mix(pixels, targets, recipe, mixing_seed)
        return pixels, targets

    options = _options()
    # A map that is fused with the batch waits for every image of it.
    options.experimental_optimization.map_and_batch_fusion = deterministic
    return (
        numbered.map(
            augmented,
            num_parallel_calls=cores.available(),
            deterministic=deterministic,
        )
        .batch(rows, drop_remainder=True)
        .enumerate()
        .map(finish, num_parallel_calls=cores.available(), deterministic=True)
        .with_options(options)
        .prefetch(tf.data.AUTOTUNE)
    )


@_as_written
def evaluation(
    dataset: datasets.Dataset,
    split: datasets.Split,
    image_size: tuple[int, int],
    batch_size: int,
) -> tf.data.Dataset:
    """One pass over a split, in order and without augmentation.

    Args:
      dataset: Data set to read.
      split: Name of the split.
      image_size: Height and width in pixels.
      batch_size: Number of images of one batch. The last may have fewer.

    Returns:
      Pairs of normalized images, float32 [batch, *image_size, 3], and labels,
      int64 [batch].
    """
    source = dataset.source
    size = dataset.num_examples(split)
    fits = buffering.fits(size, image_size, tf.float32)
    examples = dataset.read(split)
    if not fits:
        with dataset.reading():
            examples, _ = buffering.hold_encoded(examples, size)
    batches = (
        _decode(examples, dataset, image_size)
        .batch(batch_size)
        .map(
            lambda pixels, labels: (
                preprocessing.normalize(pixels, source.mean, source.std),
                labels,
            ),
            num_parallel_calls=cores.available(),
        )
    )
    if fits:
        batches = batches.cache()
    return batches.with_options(_options()).prefetch(tf.data.AUTOTUNE)


def need_no_copy(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy can take the batches of a pipeline as they are.

    That is so with one replica on the CPU. TensorFlow would distribute them
    through an iterator that has a tuner of its own. See `_options`.
    """
    return strategy.num_replicas_in_sync == 1 and not (
        tf.config.list_logical_devices("GPU")
    )


def _options() -> tf.data.Options:
    """Options of a pipeline without TensorFlow's tuner.

    The end of a pipeline waits for the tuner, which may miss that it shall end
    and sleep for up to a minute. So the maps run on all cores at once.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _training_examples(
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
    recipe: augmentation_config.AugmentationConfig,
) -> tuple[tf.data.Dataset, int, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
    """The training images before they are shuffled.

    Returns:
      Pairs (image, label), the number of them that is held in memory, and the
      function of image and crop seed that makes uint8 pixels
      [*image_size, 3].
    """
    examples = dataset.read("train")
    size = dataset.num_examples("train")

    def crop(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        box = cropping.decode(image, recipe.crop_area, seed, dataset.max_pixels)
        return preprocessing.to_levels(preprocessing.resize(box, image_size))

    def whole(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        pixels = preprocessing.to_rgb(
            preprocessing.decode(image, dataset.max_pixels),
            image_size,
            dataset.source.crop,
        )
        return preprocessing.to_levels(pixels)

    if recipe.crop_area or not buffering.fits(size, image_size, tf.uint8):
        with dataset.reading():
            held, count = buffering.hold_encoded(examples, size)
        return held, count, crop if recipe.crop_area else whole
    decoded = examples.map(
        lambda image, label: (whole(image, label), label),
        num_parallel_calls=cores.available(),
    )
    return decoded.cache(), size, lambda pixels, _: pixels


def _decode(
    examples: tf.data.Dataset,
    dataset: datasets.Dataset,
    image_size: tuple[int, int],
) -> tf.data.Dataset:
    """Decodes images to the form that `images` returns."""
    crop = dataset.source.crop
    return examples.map(
        lambda image, label: (
            preprocessing.to_rgb(
                preprocessing.decode(image, dataset.max_pixels),
                image_size,
                crop,
            ),
            label,
        ),
        num_parallel_calls=cores.available(),
    )


def _fold(seed: tf.Tensor, number: tf.Tensor) -> list[tf.Tensor]:
    """Two seeds, int32 [2] each, from a seed and a number."""
    folded = tf.random.experimental.stateless_fold_in(
        seed, tf.cast(number, tf.int32)
    )
    return tf.unstack(tf.random.experimental.stateless_split(folded, 2))
