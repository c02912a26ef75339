"""A batch of files as images, in a graph. A bad file fails alone."""

import tensorflow as tf

from tf_autoformer.data import bmp, pixel_limit, preprocessing

_PARALLEL = 4  # Files decoded at once. It bounds the memory of a batch.
_UNKNOWN = "not a JPEG, PNG, GIF or BMP"
# How the files of each format begin, for the reasons.
_STARTS = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG", "GIF": b"GIF8"}


def decode(
    image_bytes: tf.Tensor, size: tuple[int, int], crop: float | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes, turns upright and resizes files of any content.

    Args:
      image_bytes: Bytes of the files, string [batch].
      size: Height and width of the results in pixels.
      crop: Share of the sides that is kept. See `preprocessing.to_rgb`.

    Returns:
      Images float32 [batch, *size, 3] in [0, 1], and the reasons why files
      could not be read, string [batch]. A file that was read has no reason, "".
      The image of any other is black.
    """
    batch = tf.shape(image_bytes)[0]
    black = tf.zeros([*size, 3])

    def read(
        index: tf.Tensor, encoded: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        reason = _refusal(encoded)
        pixels = tf.cond(
            reason == "",
            lambda: preprocessing.to_rgb(
                preprocessing.decode(encoded), size, crop
            ),
            lambda: black,
        )
        return index, pixels, reason

    # A graph has no other means than a data set to go on after an error. The
    # last element stands for none, as an empty set would be an error.
    indices, images, reasons = (
        tf.data.Dataset.from_tensor_slices((tf.range(batch), image_bytes))
        .map(read, num_parallel_calls=_PARALLEL)
        .ignore_errors()
        .concatenate(tf.data.Dataset.from_tensors((batch, black, "")))
        .batch(tf.cast(batch + 1, tf.int64))
        .get_single_element()
    )
    indices = indices[:-1, None]  # [read, 1]
    images = tf.scatter_nd(indices, images[:-1], [batch, *size, 3])
    return images, tf.tensor_scatter_nd_update(
        tf.map_fn(_damage, image_bytes), indices, reasons[:-1]
    )


def _refusal(encoded: tf.Tensor) -> tf.Tensor:
    """The reason not to decode a file, string []. "" if there is none."""
    height, width = tf.unstack(preprocessing.stored_shape(encoded), num=2)
    too_large = tf.strings.format(
        "larger than the limit of {} pixels and {} to a side: {} x {}",
        (pixel_limit.PIXELS, pixel_limit.SIDE, height, width),
    )
    is_small = pixel_limit.holds(height, width, pixel_limit.PIXELS)
    damage = _damage(encoded)
    refusal = tf.where(is_small, "", too_large)
    return tf.where(damage == _UNKNOWN, damage, refusal)


def _damage(encoded: tf.Tensor) -> tf.Tensor:
    """The reason why a file was not decoded, string []."""
    kinds = {
        kind: tf.strings.substr(encoded, 0, len(start)) == start
        for kind, start in _STARTS.items()
    } | {"BMP": bmp.is_bmp(encoded)}
    reason = tf.constant(_UNKNOWN)
    for kind, is_kind in kinds.items():
        damaged = f"a damaged {kind}, or of a kind that is not supported"
        reason = tf.where(is_kind, damaged, reason)
    return reason
