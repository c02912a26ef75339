"""Sends damaged images to an export's `serving_bytes`.

  python -m benchmarks.fuzz_serving_bytes

Prints how many were answered and how many refused, the longest time of one, the
most CPU time, which other programs lengthen less, and the peak memory beyond
that of the loaded model. A crash ends the program.
"""

import collections
import dataclasses
import io
import itertools
import pathlib
import random
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator

from tf_autoformer import binary, rules

# Bytes of sizes and lengths that decoders may believe.
_ODD = (b"\0\0", b"\xff\xff", b"\x7f\xff", b"\0\1", b"\x27\x10")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the program.

    Attributes:
      count: Number of damaged images.
      seed: Seed of the images and of their damages.
    """

    count: int = rules.field(20_000, rules.at_least(1))
    seed: int = rules.field(0, *rules.SEED)


def main(options: Options) -> None:
    """Sends the images, and prints the figures."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "1"
        export(path)
        serve = tf.saved_model.load(str(path)).signatures["serving_bytes"]
    seeds = list(encoded())
    for whole in seeds:  # Traces and warms up.
        if not whole.startswith(b"RIFF"):
            serve(image_bytes=tf.constant([whole]))
    before = _memory("VmRSS")
    outcomes = collections.Counter()
    longest = most_cpu = 0.0
    for content in itertools.chain(
        extreme(),
        damaged(seeds, options.count, random.Random(options.seed)),
    ):
        start, start_cpu = time.monotonic(), time.process_time()
        answer = serve(image_bytes=tf.constant([content]))
        is_read = answer["errors"].numpy()[0] == b""
        outcomes["answered" if is_read else "refused"] += 1
        longest = max(longest, time.monotonic() - start)
        most_cpu = max(most_cpu, time.process_time() - start_cpu)
    print(f"{outcomes['answered']:,} answered, {outcomes['refused']:,} refused")
    print(f"longest: {longest:.2f} s, most CPU time: {most_cpu:.2f} s")
    # The peak counts from the start of the program.
    peak = (_memory("VmHWM") - before) / 2**20
    print(f"peak memory beyond the loaded model: {peak:.2f} GiB")


def encoded() -> Iterator[bytes]:
    """Small images of the formats and kinds that decoders tell apart."""
    import numpy as np
    from PIL import Image

    colors = np.random.default_rng(0).integers(0, 256, [5, 6, 3], np.uint8)
    image = Image.fromarray(colors).resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, mode, extra in (
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"exif": exif, "progressive": True}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "L", {}),
        ("PNG", "RGB", {"exif": exif}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("BMP", "1", {}),
        ("GIF", "P", {}),
        ("WEBP", "RGB", {}),
    ):
        content = io.BytesIO()
        image.convert(mode).save(content, kind, **extra)
        yield content.getvalue()


def extreme() -> Iterator[bytes]:
    """A thin image in each format, and large ones that are headers alone."""
    from PIL import Image

    for kind in ("JPEG", "PNG", "BMP", "GIF"):
        for size in ((4_000, 1), (1, 4_000)):
            content = io.BytesIO()
            Image.new("RGB", size, (200, 100, 50)).save(content, kind)
            yield content.getvalue()
    side = 30_000
    header = (8, 2, 0, 0, 0)  # 8 bits of RGB.
    chunk = b"IHDR" + struct.pack(">2I5B", side, side, *header)
    for content in (
        b"\x89PNG\r\n\x1a\n\0\0\0\r"
        + chunk
        + zlib.crc32(chunk).to_bytes(4, "big"),
        b"GIF89a" + struct.pack("<2H", side, side),
        b"BM" + struct.pack("<6I", 143, 0, 54, 40, side, side) + b"\1\0\x18",
        b"\xff\xd8\xff\xc0\0\x11\x08"
        + struct.pack(">2H", side, side)
        + b"\3\1\x11\0\2\x11\0\3\x11\0",
    ):
        yield content.ljust(143, b"\0")


def damaged(
    seeds: list[bytes], count: int, rng: random.Random
) -> Iterator[bytes]:
    """Images with one to four damages each.

    Args:
      seeds: Whole images.
      count: Number of images to make.
      rng: Source of randomness.
    """
    damages = (_flip, _overwrite, _cut, _repeat, _splice, _grow)
    for _ in range(count):
        content = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            rng.choice(damages)(content, seeds, rng)
        yield bytes(content)


def _place(content: bytearray, rng: random.Random) -> int:
    """A place, every second time among the first bytes: the header's."""
    end = len(content) if rng.random() < 0.5 else min(64, len(content))
    return rng.randrange(max(1, end))


def _flip(content: bytearray, _: list[bytes], rng: random.Random) -> None:
    place = _place(content, rng)
    content[place : place + 1] = bytes([rng.randrange(256)])


def _overwrite(content: bytearray, _: list[bytes], rng: random.Random) -> None:
    place, odd = _place(content, rng), rng.choice(_ODD)
    content[place : place + len(odd)] = odd


def _cut(content: bytearray, _: list[bytes], rng: random.Random) -> None:
    del content[_place(content, rng) :]


def _repeat(content: bytearray, _: list[bytes], rng: random.Random) -> None:
    start = _place(content, rng)
    piece = content[start : start + rng.randint(1, 200)]
    content[start:start] = piece * rng.randint(1, 50)


def _splice(content: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    content[_place(content, rng) :] = other[rng.randrange(len(other)) :]


def _grow(content: bytearray, _: list[bytes], rng: random.Random) -> None:
    """Writes a large size where the formats have theirs."""
    size = rng.choice((255, 9_999, 9_459, 65_535, 2**31 - 1))
    big, little = size.to_bytes(4, "big"), size.to_bytes(4, "little")
    if content[:4] == b"\x89PNG":
        place = rng.choice((16, 20))
        content[place : place + 4] = big
    elif content[:2] == b"BM":
        place = rng.choice((10, 14, 18, 22))
        content[place : place + 4] = little
    elif content[:3] == b"GIF":
        place = rng.choice((6, 8))
        content[place : place + 2] = little[:2]
    else:
        for found in re.finditer(rb"\xff[\xc0\xc2]", bytes(content)):
            place = found.start() + rng.choice((5, 7))
            content[place : place + 2] = big[2:]


def _memory(name: str) -> int:
    """A figure of this process's memory in KiB."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1])


def export(path: pathlib.Path) -> None:
    """Exports a small subnet with random weights."""
    from tf_autoformer.data.sources import datasets
    from tf_autoformer.serving import savedmodel
    from tf_autoformer.space import model, search_space
    from tf_autoformer.supernet import supernet

    space = search_space.SearchSpace((16,), (1,), (1,), (1.0,))
    config = model.ModelConfig(
        num_classes=10, image_size=224, patch_size=32, head_dim=16
    )
    savedmodel.export(
        supernet.Supernet(config, space),
        space.largest,
        dataclasses.replace(datasets.source("digits"), crop=0.875),
        path,
    )


if __name__ == "__main__":
    binary.run(main, Options)
