"""Images are turned as EXIF says, against Pillow's `exif_transpose`."""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from PIL import Image, ImageOps

from tf_autoformer.data import orientation, preprocessing
from tf_autoformer.data.augmentation import cropping


def _image() -> Image.Image:
    colors = np.random.default_rng(0).integers(0, 256, [3, 4, 3], np.uint8)
    return Image.fromarray(colors).resize((24, 40))


def _tiff(value: int, order: str = "<", **changes: int) -> bytes:
    """EXIF with a maker, an orientation and a resolution's unit."""
    fields = {"offset": 8, "fields": 3, "type": 3, "count": 1} | changes
    head = struct.pack(
        order + "2sHI", b"II" if order == "<" else b"MM", 42, fields["offset"]
    )
    return (
        head
        + bytes(fields["offset"] - 8)
        + struct.pack(
            order + "HHHI4sHHIHHHHIHHI",
            *(fields["fields"], 0x010F, 2, 4, b"Me\0\0"),
            *(0x0112, fields["type"], fields["count"], value, 0),
            *(0x0128, 3, 1, 2, 0, 0),
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _jpeg(*segments: bytes) -> bytes:
    content = io.BytesIO()
    _image().save(content, "JPEG", quality=95, subsampling=0)
    plain = content.getvalue()
    return plain[:2] + b"".join(segments) + plain[2:]


def _exif(tiff: bytes) -> bytes:
    return _segment(0xE1, b"Exif\0\0" + tiff)


def _png(tiff: bytes, is_last: bool = False) -> bytes:
    content = io.BytesIO()
    _image().save(content, "PNG")
    plain = content.getvalue()
    chunk = struct.pack(">I", len(tiff)) + b"eXIf" + tiff
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    at = len(plain) - 12 if is_last else 33
    return plain[:at] + chunk + plain[at:]


def _long(order: str) -> bytes:
    """A TIFF structure with the orientation 6 as 32 bits."""
    tiff = bytearray(_tiff(6, order, type=4))
    at = tiff.index(struct.pack(f"{order}HHI", 0x0112, 4, 1)) + 8
    tiff[at : at + 4] = struct.pack(f"{order}I", 6)
    return bytes(tiff)


def _pillow(encoded: bytes) -> np.ndarray:
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))


_TRACED = tf.function(
    preprocessing.decode,
    autograph=False,
    input_signature=[tf.TensorSpec([], tf.string)],
)
_ADOBE = _segment(0xEE, b"Adobe\0" + bytes(6))
_XMP = _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
_PROFILE = _segment(0xE2, bytes(60_000))


class DecodeTest(parameterized.TestCase):
    @parameterized.product(
        value=tuple(range(1, 9)), order=("<", ">"), kind=(_jpeg, _png)
    )
    def test_all_orientations_are_pillows(self, value, order, kind):
        tiff = _tiff(value, order)
        encoded = kind(_exif(tiff) if kind is _jpeg else tiff)
        expected = _pillow(encoded)
        self.assertEqual(
            expected.shape, (24, 40, 3) if value >= 5 else (40, 24, 3)
        )
        np.testing.assert_array_equal(_TRACED(encoded), expected)

    @parameterized.parameters(
        (_jpeg(_PROFILE, _XMP, _exif(_tiff(6))),),
        (_jpeg(_segment(0xFE, b"a comment"), _exif(_tiff(6, offset=300))),),
        (_jpeg(b"\xff\xff\xff" + _exif(_tiff(6))),),
        (_png(_tiff(6), is_last=True),),
    )
    def test_exif_is_found_behind_other_parts(self, encoded):
        found = _TRACED(encoded)
        self.assertEqual(found.shape, [24, 40, 3])
        np.testing.assert_array_equal(found, _pillow(encoded))

    @parameterized.parameters("<", ">")
    def test_a_value_of_32_bits_is_one_too(self, order):
        encoded = _jpeg(_exif(_long(order)))
        found = _TRACED(encoded)
        self.assertEqual(found.shape, [24, 40, 3])
        np.testing.assert_array_equal(found, _pillow(encoded))

    def test_what_pillow_writes(self):
        for kind in ("JPEG", "PNG"):
            exif = Image.Exif()
            exif[0x010F], exif[0x0112] = "Maker", 8
            content = io.BytesIO()
            _image().save(content, kind, exif=exif)
            encoded = content.getvalue()
            np.testing.assert_array_equal(_TRACED(encoded), _pillow(encoded))

    @parameterized.parameters(
        b"",
        b"II*\0",
        _tiff(0),
        _tiff(9),
        _tiff(0xFFFF),
        _tiff(6, type=2),
        _tiff(6, count=2),
        _tiff(6)[:8],
        _tiff(6)[:9],
        _tiff(6)[:25],
        b"XX" + _tiff(6)[2:],
        _tiff(6)[:4] + b"\xff\xff\xff\xff" + _tiff(6)[8:],
        _tiff(6)[:4] + b"\xff\xff\xff\x7f" + _tiff(6)[8:],
        _tiff(6, fields=0),
    )
    def test_a_damaged_exif_turns_nothing(self, tiff):
        for encoded, plain in (
            (_jpeg(_exif(tiff)), _jpeg()),
            (_png(tiff), _png(b"")),
        ):
            np.testing.assert_array_equal(
                _TRACED(encoded), Image.open(io.BytesIO(plain))
            )

    def test_more_fields_than_there_are_end_with_the_segment(self):
        encoded = _jpeg(_exif(_tiff(6, fields=0xFFFF)))
        self.assertEqual(_TRACED(encoded).shape, [24, 40, 3])

    @parameterized.parameters(
        b"\xff\xd8\xff",
        b"\xff\xd8\xff" + b"\xff" * 50_000,
        b"\xff\xd8\xff\xe1\0\0Exif\0\0",
        b"\xff\xd8\xff\xe1\0\x04Exif\0\0",
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + _tiff(1),
        b"\xff\xd8\xff\xe0\xff\xff" + bytes(20),
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIfII",
        b"\x89PNG",
        b"II*\0",
        b"",
    )
    def test_half_a_file_is_no_error_here(self, encoded):
        self.assertEqual(orientation.read(tf.constant(encoded)).numpy(), 1)


class CropTest(parameterized.TestCase):
    @parameterized.product(value=tuple(range(1, 9)), kind=(_jpeg, _png))
    def test_the_box_is_drawn_in_the_upright_image(self, value, kind):
        tiff = _tiff(value)
        encoded = kind(_exif(tiff) if kind is _jpeg else tiff)
        upright = _pillow(encoded)
        for number in range(4):
            seed = tf.constant([number, 3])
            top, left, height, width = cropping.random_box(
                tf.constant(upright.shape[:2]), 0.08, seed
            ).numpy()
            np.testing.assert_array_equal(
                cropping.decode(tf.constant(encoded), 0.08, seed),
                upright[top : top + height, left : left + width],
            )


if __name__ == "__main__":
    absltest.main()
