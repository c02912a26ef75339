"""Finds the files that are no readable images, once for all commands."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from tf_autoformer import progress
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import memo, pillow

_LOGGER = logging.getLogger(__name__)
# Changes with what can be read, so that an older result does not hold.
_VERSION = b"5"
_FINGERPRINT = 16  # Hexadecimal digits.

_EMPTY = "empty"
_DAMAGED = "damaged or no image"
_LARGE = "of more than {:,} pixels"
_CLOSED = "that cannot be opened"


@dataclasses.dataclass(frozen=True)
class Checked:
    """What is known of the files of a folder.

    Attributes:
      fingerprints: Mapping of each readable file to a hash of its content.
      converted: Readable files that Pillow has to convert.
      left_out: Mapping of reasons to unreadable files, sorted.
      kept_at: Path of the file with this knowledge.
    """

    fingerprints: Mapping[str, str]
    converted: frozenset[str]
    left_out: Mapping[str, Sequence[str]]
    kept_at: str


def check(
    folder: str,
    files: Mapping[str, os.stat_result],
    data_dir: str,
    max_pixels: int,
) -> Checked:
    """Finds the files that cannot be decoded.

    The result is kept in `data_dir`. It holds until a file is added or
    removed, or has another size or time of change, or the limit is another.

    Args:
      folder: Absolute path of the folder.
      files: Mapping of paths in the folder to sizes and times of change.
      data_dir: Folder of prepared data sets.
      max_pixels: Largest number of pixels of an image.
    """
    state = hashlib.sha256(b"%s %d\n" % (_VERSION, max_pixels))
    for path, stat in sorted(files.items()):
        line = f"{len(path)} {path} {stat.st_size} {stat.st_mtime_ns}\n"
        state.update(os.fsencode(line))
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    kept_at = f"{data_dir}/image_folders/{key}.json"
    found = _parse(memo.read(kept_at), state.hexdigest())
    if found is None:
        found = {
            "folder": folder,
            "state": state.hexdigest(),
            **_check(folder, sorted(files), max_pixels),
        }
        memo.write(kept_at, json.dumps(found, indent=2).encode())
    unreadable = set().union(*found["left_out"].values())
    readable = [path for path in sorted(files) if path not in unreadable]
    digits = found["fingerprints"]
    return Checked(
        fingerprints={
            path: digits[number * _FINGERPRINT : (number + 1) * _FINGERPRINT]
            for number, path in enumerate(readable)
        },
        converted=frozenset(found["converted"]),
        left_out=found["left_out"],
        kept_at=kept_at,
    )


def _parse(content: bytes | None, state: str) -> dict | None:
    """The result as kept. None if nothing is known of this state."""
    try:
        kept = json.loads(content or b"{}")
        return kept if kept["state"] == state else None
    except (KeyError, TypeError, ValueError):
        return None


def _check(folder: str, paths: Sequence[str], max_pixels: int) -> dict:
    """Decodes every file. The result is in the form that is kept."""
    _LOGGER.info("checking %d files of %s, once", len(paths), folder)
    whole = [os.path.join(folder, path) for path in paths]
    fingerprints: dict[str, str] = {}
    with progress.Meter(0, len(paths), "files", "check") as meter:

        def know(number: int, fingerprint: tf.Tensor) -> None:
            fingerprints[paths[number]] = f"{int(fingerprint):0{_FINGERPRINT}x}"
            meter.advance(len(fingerprints))
            if meter.due:
                _LOGGER.info(meter.line(len(fingerprints)))

        # To open a named pipe is to wait for who writes into it.
        files = [n for n, path in enumerate(whole) if os.path.isfile(path)]
        found = _decoded([whole[number] for number in files], max_pixels)
        for place, fingerprint in found:
            know(files[int(place)], fingerprint)
        rest = [n for n, path in enumerate(paths) if path not in fingerprints]
        converted: list[str] = []
        left_out: dict[str, list[str]] = {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = pool.map(
                functools.partial(_outcome, max_pixels=max_pixels),
                [whole[number] for number in rest],
            )
            for number, outcome in zip(rest, outcomes, strict=True):
                if isinstance(outcome, str):
                    left_out.setdefault(outcome, []).append(paths[number])
                else:
                    converted.append(paths[number])
                    know(number, outcome)
    return {
        "left_out": left_out,
        "converted": converted,
        "fingerprints": "".join(
            fingerprints[path] for path in paths if path in fingerprints
        ),
    }


@tf.autograph.experimental.do_not_convert  # It would find nothing to convert.
def _decoded(
    paths: Sequence[str], max_pixels: int
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Place and fingerprint of each file that TensorFlow decodes."""

    def decode(
        number: tf.Tensor, path: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        content = tf.io.read_file(path)
        pixels = preprocessing.decode(content, max_pixels)
        # TensorFlow decodes nothing whose result nobody has.
        return number, _fingerprint(content), tf.shape(pixels)

    options = tf.data.Options()
    options.deterministic = False  # A huge image does not hold up the others.
    readable = (
        tf.data.Dataset.from_tensor_slices(list(map(os.fsencode, paths)))
        .enumerate()
        .map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        .ignore_errors()
        .with_options(options)
    )
    return ((number, fingerprint) for number, fingerprint, _ in readable)


def _outcome(path: str, max_pixels: int) -> str | tf.Tensor:
    """Why a file is left out, or its fingerprint if Pillow can read it."""
    if not os.path.isfile(path):
        return _CLOSED
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return _CLOSED
    if not content:
        return _EMPTY
    try:
        pillow.decode(content, max_pixels)
    except ValueError:
        if pillow.is_large(content, max_pixels):
            return _LARGE.format(max_pixels)
        return _DAMAGED
    return _fingerprint(tf.constant(content))


def _fingerprint(content: tf.Tensor) -> tf.Tensor:
    """A hash of the content, int64 [], the same on every machine."""
    return tf.strings.to_hash_bucket_fast(content, 2**63 - 1)
