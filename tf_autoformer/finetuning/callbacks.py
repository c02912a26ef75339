"""What happens between the steps of Keras' `fit`."""

import contextlib
import logging
import pathlib

import numpy as np
import tensorflow as tf

from tf_autoformer import errors, progress
from tf_autoformer.experiment import weights

_LOGGER = logging.getLogger(__name__)


class Progress(tf.keras.callbacks.Callback):
    """Shows speed and remaining time, and stops at a loss that is no number.

    It comes before the callback that makes backups, so that none is made of a
    network that is lost.

    Args:
      meter: Meter of the images.
      start: Number of steps before this run.
      batch_size: Number of images of a step.
      log_every: Steps between lines.
      backup_every: Steps between backups.
    """

    def __init__(
        self,
        meter: progress.Meter,
        start: int,
        batch_size: int,
        log_every: int,
        backup_every: int,
    ):
        super().__init__()
        self._meter = meter
        self._start = start
        self._batch_size = batch_size
        self._log_every = log_every
        self._backup_every = backup_every
        self._supports_tf_logs = True  # Keras does not wait for each loss.
        self._paused = contextlib.ExitStack()
        self._taken = 0  # In this run, as backups are counted.

    def on_train_batch_begin(self, batch, logs=None):
        if not self._taken:  # Its tracing would make the rest look longer.
            self._pause(self._batch_size)

    def on_train_batch_end(self, batch, logs=None):
        if not self._taken:
            self._paused.close()
        self._taken += 1
        step = self._start + self._taken
        self._meter.advance(step * self._batch_size)
        told = step % self._log_every == 0
        if not told and self._taken % self._backup_every:
            return
        loss = float(logs["loss"])
        _require_finite(f"the loss of step {step}", loss)
        if told and self._meter.in_lines:
            line = self._meter.line(step * self._batch_size)
            _LOGGER.info("step %d  loss %.4f  %s", step, loss, line)

    def on_epoch_end(self, epoch, logs=None):
        for name in ("loss", "val_loss"):
            if name in (logs or {}):
                _require_finite(
                    f"{name} of epoch {epoch + 1}", float(logs[name])
                )

    def on_test_begin(self, logs=None):
        self._pause()

    def on_test_end(self, logs=None):
        self._paused.close()

    def _pause(self, units: int = 0) -> None:
        self._paused.enter_context(self._meter.paused(units))


def _require_finite(what: str, loss: float) -> None:
    if not np.isfinite(loss):
        raise errors.InputError(
            f"{what} is {loss}; lower learning_rate, and use another workdir"
        )


class Best(tf.keras.callbacks.Callback):
    """Keeps the weights of the best validation accuracy, over all runs.

    Keras' ModelCheckpoint would forget the accuracy when a run is continued.

    Args:
      folder: Folder of the weights.
      network: Network in training.
    """

    def __init__(self, folder: pathlib.Path, network: tf.keras.Model):
        super().__init__()
        self._folder = folder
        # In the precision of what it is compared with.
        self._accuracy = tf.Variable(-1.0, trainable=False, dtype=tf.float64)
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(network=network, accuracy=self._accuracy),
            str(folder),
            max_to_keep=1,
        )
        with weights.worded(folder, "restore"):
            reader = self._manager.latest_checkpoint
            if reader:
                self._accuracy.assign(
                    tf.train.load_checkpoint(reader).get_tensor(
                        "accuracy/.ATTRIBUTES/VARIABLE_VALUE"
                    )
                )

    def on_epoch_end(self, epoch, logs=None):
        accuracy = (logs or {}).get("val_accuracy")
        if accuracy is None:
            return
        _LOGGER.info(
            "epoch %d  validation accuracy %.2f%%", epoch + 1, 100 * accuracy
        )
        if accuracy > float(self._accuracy):
            self._accuracy.assign(accuracy)
            with weights.worded(self._folder, "save"):
                self._manager.save()

    @property
    def accuracy(self) -> float:
        """The best validation accuracy in [0, 1]. Below 0: there is none."""
        return float(self._accuracy)

    def restore(self) -> None:
        """Gives the network its best weights, if there was an evaluation."""
        with weights.worded(self._folder, "restore"):
            self._manager.restore_or_initialize()


class Missed(tf.keras.callbacks.Callback):
    """Evaluates the epoch after which a run was stopped.

    Keras goes on with the next epoch, though the last one may not have been
    evaluated. It comes after the callback that restores the backup.

    Args:
      best: Callback that keeps the best weights.
      validation: Batches of the validation split.
      epoch: Number of the epoch, from 0.
    """

    def __init__(self, best: Best, validation: tf.data.Dataset, epoch: int):
        super().__init__()
        self._best = best
        self._validation = validation
        self._epoch = epoch

    def on_train_begin(self, logs=None):
        found = self.model.evaluate(
            self._validation, verbose=0, return_dict=True
        )
        self._best.on_epoch_end(
            self._epoch, {"val_accuracy": found["accuracy"]}
        )
