"""Finds the files that are no readable images, once for all commands."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tf_autoformer import progress
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import memo

_LOGGER = logging.getLogger(__name__)
_NAMED = 10  # of the unreadable files, in the log.


def unreadable(
    folder: str, files: Mapping[str, os.stat_result], data_dir: str
) -> list[str]:
    """The files that cannot be decoded, which the log names.

    What is found is kept in `data_dir`, and holds until a file is added,
    removed, or has another size or time of change.

    Args:
      folder: absolute path.
      files: path in the folder -> size and time of change.
      data_dir: where prepared data sets are kept.

    Returns:
      Their paths in the folder, sorted.
    """
    state = hashlib.sha256()
    for path, stat in sorted(files.items()):
        line = f"{len(path)} {path} {stat.st_size} {stat.st_mtime_ns}\n"
        state.update(os.fsencode(line))
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    kept_at = f"{data_dir}/image_folders/{key}.json"
    found = _parse(memo.read(kept_at), state.hexdigest())
    if found is None:
        found = _check(folder, sorted(files))
        content = {
            "folder": folder,
            "state": state.hexdigest(),
            "unreadable": found,
        }
        memo.write(kept_at, json.dumps(content, indent=2).encode())
    if found:
        more = len(found) - _NAMED
        _LOGGER.warning(
            "%d of %d files in %s are no readable images and are left out: "
            "%s%s",
            len(found),
            len(files),
            folder,
            ", ".join(found[:_NAMED]),
            f" and {more} more, listed in {kept_at}" if more > 0 else "",
        )
    return found


def _parse(content: bytes | None, state: str) -> list[str] | None:
    """What was found of the same files; None if nothing is known."""
    try:
        kept = json.loads(content or b"{}")
        return kept["unreadable"] if kept["state"] == state else None
    except (KeyError, TypeError, ValueError):
        return None


def _check(folder: str, paths: Sequence[str]) -> list[str]:
    """Decodes every file."""
    _LOGGER.info("checking %d files of %s, once", len(paths), folder)
    whole = [os.fsencode(os.path.join(folder, path)) for path in paths]

    def decode(
        number: tf.Tensor, path: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = preprocessing.decode(tf.io.read_file(path))
        # TensorFlow decodes nothing whose result nobody has.
        return number, tf.shape(pixels)

    options = tf.data.Options()
    options.deterministic = False  # A huge image does not hold up the others.
    readable = (
        tf.data.Dataset.from_tensor_slices(whole)
        .enumerate()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
        .with_options(options)
    )
    bad = set(range(len(paths)))
    meter = progress.Meter(0, len(paths))
    for done, (number, _) in enumerate(readable, start=1):
        bad.remove(int(number))
        if meter.due:
            _LOGGER.info(meter.line(done, "files"))
    return [paths[number] for number in sorted(bad)]
