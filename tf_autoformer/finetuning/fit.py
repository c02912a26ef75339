"""Fine-tuning by Keras' `fit`, which can be stopped and continued."""

import contextlib
import dataclasses
import logging
import shutil

import tensorflow as tf

from tf_autoformer import errors, files, interruption, progress
from tf_autoformer.data import pipeline
from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import weights
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import (
    callbacks,
    distillation,
    finetuning_config,
    optimizers,
)
from tf_autoformer.finetuning import initial as initial_lib
from tf_autoformer.space import cost, extents, search_space
from tf_autoformer.supernet import supernet as supernet_lib

_LOGGER = logging.getLogger(__name__)


def run(
    task: finetuning_config.Task,
    workdir: workdir_lib.Workdir,
    data_dir: str | None = None,
    how: finetuning_config.RunConfig | None = None,
) -> None:
    """Fine-tunes a subnet in a working folder, from the last backup if any.

    Args:
      task: Subnet, data set and recipe.
      workdir: Folder to make or to go on in.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      how: How it is run and shown. None: the defaults.

    Raises:
      InputError: A part of the task cannot be used, the folder was made by
        another task, or the loss is no number.
      Interrupted: A signal has stopped it.
    """
    _require_same(task, workdir)
    if (workdir.checkpoints / "checkpoint").exists():
        _LOGGER.info("%s is fine-tuned already", workdir.root)
        return
    with interruption.explained(
        lambda: "interrupted; the same command goes on from the last backup"
    ):
        # Whatever it refuses leaves nothing behind.
        finetuner = Finetuner(
            task, workdir, data_dir, how or finetuning_config.RunConfig()
        )
        with workdir.lock():
            finetuner.run()


def _require_same(
    task: finetuning_config.Task, workdir: workdir_lib.Workdir
) -> None:
    """Checks that the folder is new, or was made by the same task.

    Raises:
      InputError: It was not.
    """
    if workdir.is_bound and workdir.experiment.architecture is None:
        raise errors.InputError(
            f"{workdir.root} is the folder of a supernet; workdir must be "
            "another folder"
        )
    if workdir.finetuning.exists():
        workdir_lib.require_same(
            workdir.finetuning,
            files.read_json(workdir.finetuning),
            task.to_dict(),
        )


class Finetuner:
    """Fine-tunes a subnet in a working folder. See `run`.

    Args:
      task: Subnet, data set and recipe.
      workdir: Folder to make or to go on in.
      data_dir: Folder of prepared data sets. None: TFDS's default.
      how: How it is run and shown.

    Attributes:
      experiment: Network and data set of the folder.
      dataset: Data set, as the network sees it.
      network: Subnet in training.
      steps_per_epoch: Number of steps of an epoch.

    Raises:
      InputError: A part of the task cannot be used.
    """

    def __init__(
        self,
        task: finetuning_config.Task,
        workdir: workdir_lib.Workdir,
        data_dir: str | None,
        how: finetuning_config.RunConfig,
    ):
        self._task = task
        self._workdir = workdir
        self._how = how
        # BackupAndRestore knows no OneDeviceStrategy, which is the default's.
        self._strategy = (
            tf.distribute.MirroredStrategy()
            if how.strategy == "mirrored"
            else tf.distribute.get_strategy()
        )
        recipe = task.recipe
        replicas = self._strategy.num_replicas_in_sync
        pipeline.Part(replicas=replicas).rows(
            recipe.batch_size, task.augmentation.mixes
        )
        initial = initial_lib.read(task.initial, data_dir)
        # Now rather than after hours of preparing a data set.
        model = initial.with_fields(task.model)
        name = task.dataset or initial.dataset
        if name is None:
            raise errors.InputError(
                f"dataset is not given; it must be, with init "
                f"{task.initial.init}"
            )
        files.require_writable(workdir.root)
        max_pixels = task.max_image_pixels or initial.max_image_pixels
        found = datasets.load(name, data_dir, max_pixels)
        self.dataset = _seen(found, initial)
        source = self.dataset.source
        subnet = initial.architecture
        self.experiment = experiment_lib.Experiment(
            dataset=name,
            model=dataclasses.replace(model, num_classes=source.num_classes),
            space=search_space.containing(subnet),
            training=None,
            max_image_pixels=max_pixels,
            architecture=subnet,
        )
        self.steps_per_epoch = recipe.steps_per_epoch(
            self.dataset.num_examples("train")
        )
        classes = initial.known_classes(name, source)
        self.network = self._compiled(initial, classes, data_dir)
        height, width = self.experiment.model.input_size
        _LOGGER.info(
            "%s at %dx%d: %s parameters, %d of %d classes known",
            name,
            height,
            width,
            f"{cost.params(self.experiment.model, subnet):,}",
            sum(place >= 0 for place in classes),
            len(classes),
        )

    def _compiled(
        self,
        initial: initial_lib.Initial,
        classes: list[int],
        data_dir: str | None,
    ) -> tf.keras.Model:
        """The network, ready to learn from the labels and a teacher."""
        recipe = self._task.recipe
        tf.keras.utils.set_random_seed(recipe.seed)
        with self._strategy.scope():
            network = initial_lib.network(
                initial, self.experiment.model, classes, recipe.precision
            )
            self._taught = network
            teacher = distillation.teacher(
                self._task, self.dataset.source, data_dir
            )
            if teacher is not None:
                self._taught = distillation.Student(network, teacher)
            self._taught.compile(
                optimizers.make(
                    recipe, self.steps_per_epoch, network.trainable_variables
                ),
                tf.keras.losses.CategoricalCrossentropy(from_logits=True),
                [tf.keras.metrics.CategoricalAccuracy("accuracy")],
            )
        return network

    def run(self) -> None:
        """Takes the steps that are left, and writes the result.

        Raises:
          InputError: The folder was made with other images, or the loss is no
            number.
        """
        # Not before all is found to be in order: it binds.
        self._workdir.claim(self.experiment, self.dataset)
        files.write_json(self._workdir.finetuning, self._task.to_dict())
        recipe, how = self._task.recipe, self._how
        total = recipe.epochs * self.steps_per_epoch
        start = self._steps_done()
        _LOGGER.info(
            "%s at step %d of %d",
            "continuing" if start else "starting",
            start,
            total,
        )
        size = recipe.batch_size
        best = callbacks.Best(self._workdir.best, self.network)
        every, last = how.evaluate_every, recipe.epochs
        due = sorted({*range(every, last + 1, every), last})
        # With an average, the best of the other weights is of no use.
        kept = [] if recipe.ema_decay else [best]
        missed = []
        epoch, step = divmod(start, self.steps_per_epoch)
        if kept and not step and epoch in due:
            missed = [callbacks.Missed(best, self._validation(), epoch - 1)]
        with (
            progress.Meter(
                start * size, total * size, "images", "fine-tuning"
            ) as meter,
            self.dataset.reading(),
        ):
            self._taught.fit(
                self._batches(start),
                epochs=recipe.epochs,
                steps_per_epoch=self.steps_per_epoch,
                validation_data=self._validation(),
                validation_freq=due,
                verbose=0,
                callbacks=[
                    callbacks.Progress(
                        meter, start, size, how.log_every, how.backup_every
                    ),
                    tf.keras.callbacks.TensorBoard(
                        str(self._workdir.logs),
                        write_graph=False,
                        update_freq=how.log_every,
                    ),
                    *kept,
                    tf.keras.callbacks.BackupAndRestore(
                        str(self._workdir.backup),
                        how.backup_every,
                        delete_checkpoint=False,
                    ),
                    *missed,
                ],
            )
            if recipe.ema_decay:
                optimizers.use_average(self._taught.optimizer, self.network)
                found = self._taught.evaluate(
                    self._validation(), verbose=0, return_dict=True
                )
                accuracy = found["accuracy"]
            else:
                best.restore()
                accuracy = best.accuracy
        _LOGGER.info("validation accuracy %.2f%%", 100 * accuracy)
        # Before the weights, whose presence says that all is done.
        files.write_json(
            self._workdir.result, {"validation_accuracy": accuracy}
        )
        self._write()

    def _steps_done(self) -> int:
        """The number of steps before the last backup."""
        latest = tf.train.latest_checkpoint(self._workdir.backup / "chief")
        if latest is None:
            return 0
        with weights.worded(self._workdir.backup, "restore"):
            reader = tf.train.load_checkpoint(latest)
            return int(
                reader.get_tensor("train_counter/.ATTRIBUTES/VARIABLE_VALUE")
            )

    def _batches(self, start: int) -> tf.data.Dataset:
        """Training batches from a step on, with smoothed targets."""
        recipe = self._task.recipe
        smoothing = recipe.label_smoothing
        spread = smoothing / self.dataset.source.num_classes
        return pipeline.training(
            self.dataset,
            self.experiment.model.input_size,
            recipe.batch_size,
            recipe.seed,
            self._task.augmentation,
            start,
        ).map(
            lambda images, targets: (
                images,
                targets * (1 - smoothing) + spread,
            )
        )

    def _validation(self) -> tf.data.Dataset:
        classes = self.dataset.source.num_classes
        return pipeline.evaluation(
            self.dataset,
            "validation",
            self.experiment.model.input_size,
            self._task.recipe.batch_size,
        ).map(lambda images, labels: (images, tf.one_hot(labels, classes)))

    def _write(self) -> None:
        """Writes the weights as those of a supernet that is just as large."""
        model, space = self.experiment.model, self.experiment.space
        supernet = supernet_lib.Supernet(model, space)
        owners = supernet.elastic_layers()
        subnet = extents.of(self.experiment.architecture)
        for name, layer in extents.layers(model, subnet).items():
            for weight in layer.axes:
                value = getattr(self.network.get_layer(name), weight)
                variable = getattr(owners[name], weight)
                beyond = [
                    [0, most - size]
                    for most, size in zip(
                        variable.shape, value.shape, strict=True
                    )
                ]
                variable.assign(tf.pad(tf.convert_to_tensor(value), beyond))
        weights.save(self._workdir.checkpoints, supernet)
        for folder in (self._workdir.backup, self._workdir.best):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
        _LOGGER.info("fine-tuned in %s", self._workdir.root)


def _seen(
    dataset: datasets.Dataset, initial: initial_lib.Initial
) -> datasets.Dataset:
    """The data set with the normalization that the weights know."""
    if initial.source is None:
        return dataset
    return dataset.seen_as(
        dataclasses.replace(
            dataset.source, mean=initial.source.mean, std=initial.source.std
        )
    )
