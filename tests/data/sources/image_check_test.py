"""Files of a folder: what is read, converted, or left out and named."""

import json
import os
import shutil
import zlib
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import image_folders
from tf_autoformer import progress
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import image_check, names, pillow

_pixels = image_folders.pixels
_encoded = image_folders.encoded

_LARGE = "of more than 89,478,485 pixels"


class UnreadableTest(image_folders.FolderTest):
    def setUp(self):
        super().setUp()
        self.fill("train", 20, 20, 20)
        self.whole = _encoded(Image.fromarray(_pixels(0, 90, 90)), "JPEG")
        self.kept = self.data_dir / "image_folders"

    def add(self, name: str, content: bytes):
        (self.root / "train" / "dog" / name).write_bytes(content)

    def logged(self) -> list[str]:
        with self.assertLogs("tf_autoformer.data.sources") as caught:
            self.splits()
        return [record.getMessage() for record in caught.records]

    @parameterized.parameters(
        ("empty.png", lambda whole: b"", "empty"),
        ("text.jpg", lambda whole: b"no image"),
        ("page.jpeg", lambda whole: b"<html><body>404</body></html>"),
        ("cut.jpg", lambda whole: whole[: len(whole) // 2]),
        (
            "cut.png",
            lambda whole: _encoded(_large(), "PNG")[:-2000],
        ),
        (
            "cut.webp",
            lambda whole: _encoded(_large(), "WEBP")[:-200],
        ),
        ("zeros.jpg", lambda whole: whole[:300] + bytes(len(whole) - 300)),
        ("16 bits.tif", lambda whole: _tiff_of_16_bits()),
        # A whole image of more pixels than Pillow takes.
        (
            "bomb.png",
            lambda whole: _encoded(_bomb(), "PNG"),
            _LARGE,
        ),
        # A header of 60,000 × 60,000 pixels.
        ("huge.png", lambda whole: _with_size(60_000), _LARGE),
    )
    def test_what_is_no_image_is_left_out_and_named(
        self, name, content, reason="damaged or no image"
    ):
        expected = self.files("train")
        self.add(name, content(self.whole))
        self.assertEqual(
            self.logged()[1:],
            [
                f"left out of the 61 files in {self.root}: 1 {reason}: "
                f"train/dog/{name}"
            ],
        )
        self.assertCountEqual(sum(self.splits().values(), []), expected)

    def test_what_cannot_be_opened_is_left_out(self):
        os.symlink("/nowhere", self.root / "train" / "dog" / "link.png")
        self.assertRegex(
            self.logged()[-1],
            "61 files .*: 1 that cannot be opened: train/dog/link.png$",
        )

    def test_what_would_be_waited_for_is_left_out(self):
        os.mkfifo(self.root / "train" / "dog" / "pipe.png")
        self.assertRegex(
            self.logged()[-1],
            "61 files .*: 1 that cannot be opened: train/dog/pipe.png$",
        )

    def test_what_pillow_alone_can_read_is_converted(self):
        expected = self.files("train")
        image = Image.fromarray(_pixels(7))
        exif = Image.Exif()
        exif[274] = 6  # It lies on its side.
        for name, content in (
            ("a.webp", _encoded(image, "WEBP", lossless=True)),
            (
                "b.jpg",
                _encoded(image, "WEBP", lossless=True, exif=exif),
            ),
            (
                "c.tif",
                _encoded(image, "TIFF", compression="tiff_lzw"),
            ),
            ("d.jfif", _encoded(image, "JPEG", quality=100)),
            ("e.bmp", _bmp_of_16_bits()),
        ):
            self.add(name, content)
        self.max_pixels = 10_000
        self.assertLen(self.logged(), 1)  # Nothing is left out.
        converts = self.enter_context(
            mock.patch.object(pillow, "_to_png", wraps=pillow._to_png)
        )
        read = {
            preprocessing.decode(content).numpy().tobytes()
            for content, label in sum(self.splits().values(), [])
            if label == 1
        }
        self.assertEqual(
            {call.args[1] for call in converts.call_args_list}, {10_000}
        )
        self.assertLen(sum(self.splits().values(), []), len(expected) + 5)
        upright = np.rot90(_pixels(7), -1)
        self.assertContainsSubset(
            {_pixels(7).tobytes(), upright.tobytes()}, read
        )

    def test_odd_and_large_images_are_no_fault(self):
        for number, image in enumerate(
            (
                _encoded(Image.new("RGB", (11_000, 8_000), "red"), "JPEG"),
                _encoded(Image.new("L", (1, 1)), "PNG"),
                _encoded(
                    Image.fromarray(_pixels(0)).convert("CMYK"),
                    "JPEG",
                ),
            )
        ):
            self.add(f"odd{number}.jpg", image)  # Whatever the suffix says.
        self.add("ÄÖ ü'\".JPG", self.whole)
        name = os.fsencode(self.root / "train" / "dog") + b"/\xff\xfe.jpg"
        with open(name, "wb") as file:
            file.write(self.whole)
        self.assertLen(self.logged(), 1)
        self.assertLen(sum(self.splits().values(), []), 65)

    def test_of_many_five_are_named_and_the_others_counted(self):
        for number in range(13):
            self.add(f"bad{number:02}.jpg", b"bad")
        message = self.logged()[-1]
        (kept,) = self.kept.iterdir()
        bad = [f"train/dog/bad{number:02}.jpg" for number in range(13)]
        self.assertEqual(
            message,
            f"left out of the 73 files in {self.root}: 13 damaged or no image: "
            f"{', '.join(bad[:5])} and 8 more; all are listed in {kept}",
        )
        (found,) = json.loads(kept.read_text())["left_out"].values()
        self.assertEqual(found, bad)

    def test_what_an_older_version_found_is_checked_again(self):
        with mock.patch.object(image_check, "_VERSION", b"1"):
            self.splits()
        self.assertRegex(self.logged()[0], "^checking 60 files of .* once$")

    def test_what_is_larger_than_the_limit_is_left_out_until_it_rises(self):
        kinds = {"bmp": "BMP", "gif": "GIF", "jpg": "JPEG", "png": "PNG"}
        for suffix, kind in (kinds | {"webp": "WEBP"}).items():
            image = Image.new("RGB", (20, 20))
            self.add(f"a.{suffix}", _encoded(image, kind))
        left_out = (
            f"left out of the 65 files in {self.root}: 5 of more than 399 "
            "pixels: train/dog/a.bmp, train/dog/a.gif, train/dog/a.jpg, "
            "train/dog/a.png, train/dog/a.webp"
        )
        for max_pixels, messages in ((399, [left_out]), (400, [])) * 2:
            self.max_pixels = max_pixels
            with self.subTest(max_pixels):
                self.assertEqual(self.logged()[1:], messages)

    @parameterized.parameters(10, None)
    def test_pillows_own_limit_does_not_count(self, limit):
        content = _encoded(Image.new("RGB", (20, 20)), "TIFF")
        with mock.patch.object(Image, "MAX_IMAGE_PIXELS", limit):
            self.assertEqual(pillow.decode(content, 400).size, (20, 20))

    def test_files_are_checked_once(self):
        self.add("bad.jpg", b"bad")
        first = self.splits()
        with mock.patch.object(
            preprocessing, "decode", side_effect=AssertionError
        ):
            # What is left out is told again.
            self.assertLen(self.logged(), 1)
            self.assertEqual(self.splits(), first)

    @parameterized.parameters("added", "removed", "content", "time", "kept")
    def test_files_that_changed_are_checked_again(self, change):
        self.add("good.jpg", self.whole)
        self.assertLen(self.logged(), 1)
        path = self.root / "train" / "dog" / "good.jpg"
        expected = 0
        if change == "added":
            self.add("bad.jpg", b"bad")
            expected = 1
        elif change == "removed":
            path.unlink()
        elif change == "content":
            time = path.stat().st_mtime_ns
            path.write_bytes(self.whole[:-200])
            os.utime(path, ns=(time, time))
            expected = 1
        elif change == "time":
            path.write_bytes(bytes(len(self.whole)))
            os.utime(path, ns=(1, 1))
            expected = 1
        else:
            (kept,) = self.kept.iterdir()
            kept.write_text("[]")
        self.assertLen(self.logged(), 1 + expected)
        self.assertLen(self.splits()["test"], 6)

    def test_folders_do_not_share_what_is_known_of_them(self):
        self.splits()
        shutil.copytree(self.root, self.root.parent / "copy")
        self.name = f"{names.FOLDER}{self.root.parent / 'copy'}"
        self.assertLen(self.logged(), 1)
        self.assertLen(list(self.kept.iterdir()), 2)

    def test_where_nothing_can_be_written_it_is_checked_each_time(self):
        self.data_dir.write_text("a file")
        for _ in range(2):
            self.assertRegex(self.logged()[0], "^checking 60 files of .* once$")

    def test_what_is_found_is_kept_in_a_bucket_too(self):
        self.data_dir = "ram://bucket/data"
        self.assertLen(self.logged(), 1)
        with mock.patch.object(
            preprocessing, "decode", side_effect=AssertionError
        ):
            self.splits()

    def test_a_long_check_tells_its_progress(self):
        with mock.patch.object(progress, "_REPORT_SECONDS", -1):
            messages = self.logged()
        self.assertEqual(messages[0], f"checking 60 files of {self.root}, once")
        self.assertLen(messages, 61)
        for done, message in enumerate(messages[1:], start=1):
            self.assertRegex(
                message,
                rf"^{done} of 60 files  [\d.,]+ files/s  ETA \d:\d\d:\d\d$",
            )


def _large() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, [60, 60, 3])
    return Image.fromarray(np.uint8(noise))


def _bmp_of_16_bits() -> bytes:
    content = bytearray(_encoded(_large(), "BMP"))
    content[28] = 16
    return bytes(content)


def _tiff_of_16_bits() -> bytes:
    pixels = np.uint16(_pixels(0)[..., 0]) * 256
    return _encoded(Image.fromarray(pixels), "TIFF")


def _bomb() -> Image.Image:
    return Image.new("1", (13_378, 13_378))


def _with_size(size: int) -> bytes:
    """A PNG whose header claims so many pixels a side."""
    content = bytearray(_encoded(_large(), "PNG"))
    content[16:24] = size.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


if __name__ == "__main__":
    absltest.main()
