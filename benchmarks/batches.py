"""The process that times the training pipeline, whole and stage by stage."""

import functools
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks import photographs, worker
from tf_autoformer.data import pipeline, preprocessing
from tf_autoformer.data.augmentation import (
    augment,
    augmentation_config,
    cropping,
    erasing,
    mixing,
    randaugment,
)
from tf_autoformer.supernet import parallel

_IMAGE_SIZE = (224, 224)
# Untimed batches. A new iterator has made some of them before timing starts.
_WARM_UP = 4
_REPETITIONS = 5


class Batches:
    """The training pipeline on photographs, whole and stage by stage.

    Args:
      folder: Folder to write the photographs to.
      count: Number of photographs.
      batch_size: Images per batch of the pipeline.
      seed: Seed of the photographs and of the pipeline.
    """

    def __init__(self, folder: str, count: int, batch_size: int, seed: int):
        self._dataset = photographs.make(pathlib.Path(folder), count, seed)
        self._batch_size = batch_size
        self._recipe = augmentation_config.AugmentationConfig()
        self._training = pipeline.training(
            self._dataset, _IMAGE_SIZE, batch_size, seed, self._recipe
        )

    def training(self, count: int) -> list[float]:
        """Seconds per image, the mean over `count` consecutive batches."""
        # A new iterator for each turn, so that nothing is made between turns.
        batches = iter(self._training)
        for _ in range(_WARM_UP):
            next(batches)
        start = time.perf_counter()
        for _ in range(count):
            next(batches)
        return [(time.perf_counter() - start) / (count * self._batch_size)]

    def stages(self) -> dict[str, float]:
        """Stage -> seconds per image, on one core."""
        recipe, source = self._recipe, self._dataset.source
        mean, std = source.mean, source.std

        def resize(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return preprocessing.to_levels(
                preprocessing.resize(image, _IMAGE_SIZE)
            )

        def mix(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
            targets = tf.zeros([self._batch_size, source.num_classes])
            return mixing.mix(images, targets, recipe, seeds[0])[0]

        stages: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
            "decode and crop": lambda image, seed: cropping.decode(
                image, recipe.crop_area, seed
            ),
            "resize": resize,
            "flip": augment.flip,
            "RandAugment": lambda image, seed: randaugment.apply(
                image,
                seed,
                recipe.randaugment,
                recipe.randaugment_magnitude,
                recipe.randaugment_stddev,
                mean,
            ),
            "to float": lambda image, _: tf.image.convert_image_dtype(
                image, tf.float32
            ),
            "erase": lambda image, seed: erasing.erase(
                image, recipe.random_erasing, mean, std, seed
            ),
            "batch": None,
            "normalize": lambda images, _: preprocessing.normalize(
                images, mean, std
            ),
            "mix": mix,
        }
        images = self._dataset.read("train").enumerate()
        images = images.map(
            lambda number, example: (
                example[0],
                tf.stack([tf.cast(number, tf.int32), 0]),
            )
        )
        seconds = {}
        for name, stage in stages.items():
            images = images.cache()
            if stage is None:
                result = images.batch(self._batch_size, drop_remainder=True)
            else:
                result = images.map(functools.partial(_applied, stage))
            spent = _seconds(result) - _seconds(images)
            seconds[name] = spent / self._dataset.num_examples("train")
            images = result
        return seconds


def _applied(
    stage: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    image: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    return stage(image, seed), seed


def _seconds(dataset: tf.data.Dataset) -> float:
    """Seconds that one pass over the elements takes, the median of some."""
    spent = []
    for _ in range(1 + _REPETITIONS):
        start = time.perf_counter()
        dataset.reduce(0, lambda count, *_: count + 1).numpy()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent[1:])  # The first pass fills the cache.


def main() -> None:
    """Serves the cases to the parent process."""
    parallel.use_cores()
    batches = Batches(**worker.settings())
    cases: dict[str, Callable[..., Any]] = {
        "training": batches.training,
        "stages": batches.stages,
    }
    worker.serve(cases)


if __name__ == "__main__":
    main()
