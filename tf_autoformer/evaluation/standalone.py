"""Accuracy, loss and speed of one subnet as a standalone model."""

import dataclasses
import logging
import time
from collections.abc import Iterator

import tensorflow as tf

from tf_autoformer import progress
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import known_data
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import subnet as subnet_lib

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Task:
    """A subnet, and the images to evaluate it on.

    Attributes:
      architecture: Architecture of the supernet's space. None: the one of a
        fine-tuned network.
      dataset: Name of a data set with the supernet's classes. None: the
        data set that the supernet was trained on.
      split: Split of the data set.
      image_size: Input size in pixels. None: the supernet's.
      batch_size: Number of images of one batch.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      max_pixels: Largest number of pixels of an image. None: as in the data set
        that the supernet was trained on.
    """

    architecture: architecture_lib.Architecture | None = None
    dataset: str | None = None
    split: datasets.Split = "test"
    image_size: model_lib.ImageSize | None = None
    batch_size: int = 256
    data_dir: str | None = None
    max_pixels: int | None = None


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures of an evaluation.

    Attributes:
      top_1: Share of images whose likeliest class is right.
      top_5: Share of images whose class is among the five likeliest.
      loss: Mean cross-entropy in nats.
      images_per_second: Speed of reading and classifying, after a first batch.
    """

    top_1: float
    top_5: float
    loss: float
    images_per_second: float


def evaluate(
    subnet: tf.keras.Model,
    dataset: datasets.Dataset,
    split: datasets.Split,
    batch_size: int,
) -> Figures:
    """Evaluates a subnet on a split of a data set.

    Args:
      subnet: Model from normalized images to logits.
      dataset: Data set with the subnet's classes.
      split: Split of the data set.
      batch_size: Number of images of one batch.
    """
    batches = pipeline.evaluation(
        dataset, split, tuple(subnet.input_shape[1:3]), batch_size
    )
    subnet.compile(
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            tf.keras.metrics.SparseCategoricalAccuracy(name="top_1"),
            tf.keras.metrics.SparseTopKCategoricalAccuracy(
                min(5, subnet.output_shape[1]), name="top_5"
            ),
        ],
    )
    with dataset.reading():
        subnet.evaluate(batches.take(1), verbose=0)  # Traces.
    number = dataset.num_examples(split)
    start = time.monotonic()
    with (
        progress.Meter(0, number, "images", "evaluation") as meter,
        dataset.reading(),
    ):
        found = subnet.evaluate(
            batches,
            verbose=0,
            return_dict=True,
            callbacks=[_Progress(meter, number, batch_size)],
        )
    return Figures(
        **found, images_per_second=number / (time.monotonic() - start)
    )


class _Progress(tf.keras.callbacks.Callback):
    """Shows the progress of a long evaluation."""

    def __init__(self, meter: progress.Meter, number: int, batch_size: int):
        super().__init__()
        self._meter = meter
        self._number = number
        self._batch_size = batch_size

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        done = min((batch + 1) * self._batch_size, self._number)
        self._meter.advance(done)
        if self._meter.due:
            _LOGGER.info(self._meter.line(done))


def lines(workdir: workdir_lib.Workdir, task: Task) -> Iterator[str]:
    """The figures of a subnet of a working folder, for a person to read.

    Raises:
      InputError: There is no supernet or data set, the architecture is
        outside the space, or the data set has a class that the supernet does
        not know. The supernet's own data set has other images than before.
    """
    experiment = workdir.experiment
    name = experiment.dataset if task.dataset is None else task.dataset
    architecture = experiment.subnet(task.architecture)
    dataset = known_data.load(workdir, name, task.data_dir, task.max_pixels)
    if name == experiment.dataset:
        workdir.require_data(dataset, task.split)
    trained = workdir.trained(tf.distribute.get_strategy())
    subnet = subnet_lib.inherit(trained.supernet, architecture, task.image_size)
    figures = evaluate(subnet, dataset, task.split, task.batch_size)

    model = experiment.model
    if task.image_size is not None:
        model = dataclasses.replace(model, image_size=task.image_size)
    height, width = model.input_size
    costs = ", ".join(
        each.text(each.measure(model, architecture)) for each in cost.COSTS
    )
    yield (
        f"{name}, {task.split} split: "
        f"{dataset.num_examples(task.split):,} images at {height}x{width}; "
        f"{costs}"
    )
    yield f"top-1     {figures.top_1:.2%}"
    yield f"top-5     {figures.top_5:.2%}"
    yield f"loss      {figures.loss:.4f}"
    yield f"images/s  {figures.images_per_second:,.0f}"
