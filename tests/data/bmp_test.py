"""BMP files against Pillow, those with a palette included."""

import io
import struct

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image

from tf_autoformer.data import preprocessing


def _colors() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [5, 13, 3], np.uint8)


def _file(bits: int, rows: list[bytes], palette: bytes = b"", **changes):
    """A BMP, by hand. Rows are in the file's order."""
    fields = {"height": len(rows), "compression": 0, "extra": b""} | changes
    width = 13
    data = b"".join(row + bytes(-len(row) % 4) for row in rows)
    head = struct.pack(
        "<IiiHHIIiiII",
        *(40, width, fields["height"], 1, bits, fields["compression"]),
        *(len(data), 0, 0, len(palette) // 4, 0),
    )
    head += fields["extra"] + palette
    start = 14 + len(head)
    return struct.pack("<2sIII", b"BM", start + len(data), 0, start) + (
        head + data
    )


def _packed(bits: int) -> list[bytes]:
    """Rows of 13 colour numbers, the first in the highest bits."""
    numbers = np.random.default_rng(1).integers(0, 2**bits, [5, 13])
    return [
        int(
            "".join(f"{n:0{bits}b}" for n in row).ljust(
                -(-13 * bits // 8) * 8, "0"
            ),
            2,
        ).to_bytes(-(-13 * bits // 8), "big")
        for row in numbers
    ]


def _palette(colors: int) -> bytes:
    return np.random.default_rng(2).bytes(4 * colors)


def _pillow(encoded: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


_MASKS = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
_SWAPPED = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
_ROWS = {
    24: [row.tobytes() for row in _colors()],
    32: [np.insert(row, 3, 7, axis=-1).tobytes() for row in _colors()],
    16: [row[:, :2].tobytes() for row in _colors()],
}


class DecodeTest(parameterized.TestCase):
    @parameterized.product(
        bits=(1, 4, 8, 24, 32), height=(5, -5), traced=(False, True)
    )
    def test_the_pixels_are_pillows(self, bits, height, traced):
        rows, palette = _ROWS.get(bits), b""
        if rows is None:
            rows, palette = _packed(bits), _palette(2**bits)
        encoded = _file(bits, rows, palette, height=height)
        decode = preprocessing.decode
        if traced:
            decode = tf.function(decode, autograph=False)
        found = decode(tf.constant(encoded))
        self.assertEqual(found.dtype, tf.uint8)
        np.testing.assert_array_equal(found, _pillow(encoded))

    @parameterized.parameters("1", "L", "P", "RGB", "RGBA")
    def test_what_pillow_writes(self, mode):
        content = io.BytesIO()
        Image.fromarray(_colors()).convert(mode).save(content, "BMP")
        encoded = content.getvalue()
        np.testing.assert_array_equal(
            preprocessing.decode(encoded), _pillow(encoded)
        )

    def test_a_palette_of_few_colors(self):
        rows = [bytes(range(5)) + bytes(8)] * 5
        encoded = _file(8, rows, _palette(5))
        np.testing.assert_array_equal(
            preprocessing.decode(encoded), _pillow(encoded)
        )

    def test_masks_in_the_usual_order_change_nothing(self):
        encoded = _file(32, _ROWS[32], compression=3, extra=_MASKS)
        np.testing.assert_array_equal(
            preprocessing.decode(encoded), _pillow(encoded)
        )

    @parameterized.parameters(
        (_file(16, _ROWS[16]),),
        # Compressed, and just as long as if it were not.
        (_file(8, [bytes([13, 1, 0, 0]) + bytes(9)] * 5, compression=1),),
        (_file(32, _ROWS[32], compression=3, extra=_SWAPPED),),
        (_file(24, _ROWS[24], height=0),),
        (b"BM",),
        # The header of OS/2, of 12 bytes.
        (
            struct.pack("<2sIIIIHHHH", b"BM", 65, 0, 26, 12, 13, 1, 1, 24)
            + _ROWS[24][0]
            + b"\0",
        ),
    )
    def test_others_are_refused_by_name(self, encoded):
        with self.assertRaisesRegex(
            tf.errors.InvalidArgumentError, "BMP must be whole and have 1, 4, 8"
        ):
            preprocessing.decode(encoded)

    @parameterized.parameters(1, 4, 8)
    def test_one_that_is_cut_off_is_an_error(self, bits):
        encoded = _file(bits, _packed(bits), _palette(2**bits))
        for size in (len(encoded) - 5, 60):
            with self.assertRaises(tf.errors.InvalidArgumentError):
                preprocessing.decode(encoded[:size])


if __name__ == "__main__":
    absltest.main()
