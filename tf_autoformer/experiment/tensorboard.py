"""TensorBoard logs."""

import contextlib
import pathlib
import time

import tensorflow as tf

from tf_autoformer import errors


def open_writer(folder: pathlib.Path) -> tf.summary.SummaryWriter:
    """Opens a TensorBoard log.

    Args:
      folder: Folder of the log. It is made if it does not exist.

    Raises:
      InputError: The folder cannot be written.
    """
    try:
        return tf.summary.create_file_writer(str(folder))
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"cannot write to {folder}: {errors.reason(error)}"
        ) from error


def drop_from(writer: tf.summary.SummaryWriter, step: int) -> None:
    """Makes TensorBoard drop what the log has from this step on.

    Call it before a continued run writes these steps once more. Nothing is
    deleted from the files.

    Args:
      writer: Writer of the log, as `open_writer` returns it.
      step: First step that is written again.
    """
    start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    event = tf.compat.v1.Event(
        wall_time=time.time(), step=step, session_log=start
    )
    # TensorFlow 2 has summaries for its writers, but no function for events.
    tf.raw_ops.ImportEvent(
        writer=writer._resource, event=event.SerializeToString()
    )


def seconds(folder: pathlib.Path) -> float:
    """The time between the first and the last event, summed over all runs.

    Args:
      folder: Folder of the log. Each run has written a file of its own.
    """
    total = 0.0
    for path in folder.glob("*.tfevents.*"):
        times = []
        # A run that was killed may have left half an event.
        with contextlib.suppress(tf.errors.DataLossError):
            for record in tf.data.TFRecordDataset(str(path)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                times.append(event.wall_time)
        total += max(times, default=0.0) - min(times, default=0.0)
    return total
