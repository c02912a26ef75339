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
# Changes with what can be read, so that an older result does not hold.
_VERSION = b"3"


def unreadable(
    folder: str, files: Mapping[str, os.stat_result], data_dir: str
) -> list[str]:
    """Finds the files that cannot be decoded, and names them in the log.

    The result is kept in `data_dir`. It holds until a file is added or
    removed, or has another size or time of change.

    Args:
      folder: Absolute path of the folder.
      files: Mapping of paths in the folder to sizes and times of change.
      data_dir: Folder of prepared data sets.

    Returns:
      Paths of the unreadable files in the folder, sorted.
    """
    state = hashlib.sha256(_VERSION)
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
    """The unreadable files as kept. None if nothing is known of this state."""
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
    with progress.Meter(0, len(paths), "files", "check") as meter:
        for done, (number, _) in enumerate(readable, start=1):
            bad.remove(int(number))
            meter.advance(done)
            if meter.due:
                _LOGGER.info(meter.line(done))
    return [paths[number] for number in sorted(bad)]
