"""The examples of a prepared TFDS data set, always in the same order."""

import io
import logging

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging as absl_logging

from tf_autoformer import errors, progress
from tf_autoformer.data.sources import memo

_LOGGER = logging.getLogger(__name__)
# Files that are read in turn, and images of each turn. Both decide the order,
# on which the splits depend; TFDS may change its defaults.
_CYCLE = 16
_BLOCK = 16
_BATCH = 1024


def examples(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    """(encoded image string [], label int64 []) of a prepared split."""
    return _read(
        builder,
        split,
        tfds.decode.PartialDecoding(
            {"image": True, "label": True},
            decoders={"image": tfds.decode.SkipDecoding()},
        ),
    ).map(lambda example: (example["image"], example["label"]))


def labels(builder: tfds.core.DatasetBuilder, split: str) -> np.ndarray:
    """The labels of `examples`, without decoding any image.

    They are kept beside the data, as reading them takes as long as reading
    the images.

    Returns:
      Labels, int64 [images].

    Raises:
      InputError: The data are damaged.
    """
    path = f"{builder.data_dir}/labels-{split}-{_CYCLE}x{_BLOCK}.npy"
    size = builder.info.splits[split].num_examples
    kept = _parse(memo.read(path))
    if kept is not None and len(kept) == size:
        return kept.astype(np.int64)
    found = _read_labels(builder, split, size)
    content = io.BytesIO()
    np.save(content, found.astype(np.int32))
    memo.write(path, content.getvalue())
    return found


def check_labels(
    labels: np.ndarray, num_classes: int, split: str, name: str
) -> None:
    """Fails if a label is that of no class.

    Raises:
      InputError: A label is negative, or too large.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        raise errors.InputError(
            f"{name}, split {split}: image {wrong[0]} has label "
            f"{labels[wrong[0]]}; it must be from 0 to {num_classes - 1}"
        )


def _read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    decoders: tfds.decode.PartialDecoding,
) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    config = tfds.ReadConfig(
        options=options,
        try_autocache=False,  # The pipelines hold decoded images.
        # TFDS refuses to mix the files of data whose order has a meaning.
        interleave_cycle_length=1 if builder.info.disable_shuffling else _CYCLE,
        interleave_block_length=_BLOCK,
    )
    verbosity = absl_logging.get_verbosity()
    # TFDS warns of an attribute that its own partial decoding reads.
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        return builder.as_dataset(
            split=split, decoders=decoders, read_config=config
        )
    finally:
        absl_logging.set_verbosity(verbosity)


def _read_labels(
    builder: tfds.core.DatasetBuilder, split: str, size: int
) -> np.ndarray:
    batches = _read(
        builder, split, tfds.decode.PartialDecoding({"label": True})
    ).batch(_BATCH)
    title = f"labels of {builder.name}"
    found = []
    try:
        with progress.Meter(0, size, "labels", title) as meter:
            for done, batch in enumerate(batches.as_numpy_iterator(), start=1):
                found.append(batch["label"])
                read = min(done * _BATCH, size)
                meter.advance(read)
                if meter.due:
                    speed, eta = meter.update(read)
                    _LOGGER.info(
                        "%s, read once: %d of %d  %.0f/s  ETA %s",
                        title,
                        read,
                        size,
                        speed,
                        eta,
                    )
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"cannot read split {split} of {builder.name} in "
            f"{builder.data_dir}: {errors.reason(error)}"
        ) from error
    return np.concatenate(found).astype(np.int64)


def _parse(content: bytes | None) -> np.ndarray | None:
    if content is None:
        return None
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        return None  # Damaged: as good as none.
