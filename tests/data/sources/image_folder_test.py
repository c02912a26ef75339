"""A folder of images as a data set: layouts, splits, formats, mistakes."""

import collections
import io
import json
import os
import pathlib
import shutil
import zlib
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tf_autoformer import errors, progress
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import datasets, image_check, names

CLASSES = ("cat", "dog", "owl")
_LARGE = "of more than 178,956,970 pixels"


def _pixels(seed: int, height: int = 12, width: int = 16) -> np.ndarray:
    """A smooth picture, of which JPEG keeps nearly all."""
    colors = np.random.default_rng(seed).integers(0, 256, [2, 3, 3])
    return np.array(
        Image.fromarray(np.uint8(colors)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    )


class FolderTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.root, self.data_dir = folder / "images", folder / "data"
        self.name = f"{names.FOLDER}{self.root}"

    def fill(self, part: str, *sizes: int):
        """A folder for each class, of so many images."""
        for name, size in zip(CLASSES, sizes, strict=False):
            folder = self.root / part / name
            folder.mkdir(parents=True)
            for number in range(size):
                # The bytes tell which it is.
                Image.fromarray(_pixels(number)).save(folder / f"{number}.png")

    def load(self) -> datasets.Dataset:
        return datasets.load(self.name, str(self.data_dir))

    def splits(self) -> dict[str, list[tuple[bytes, int]]]:
        dataset = self.load()
        splits = {}
        for split in ("train", "validation", "test"):
            examples = dataset.read(split)
            splits[split] = [
                (image, int(label))
                for image, label in examples.as_numpy_iterator()
            ]
            self.assertLen(splits[split], dataset.num_examples(split))
            self.assertLen(examples, dataset.num_examples(split))
        return splits

    def files(self, *parts: str) -> list[tuple[bytes, int]]:
        """Content and class of every file, by a walk of the folder."""
        return [
            (path.read_bytes(), label)
            for part in parts
            for label, name in enumerate(CLASSES)
            for path in (self.root / part / name).glob("*.*")
        ]

    def sizes(self, images: list[tuple[bytes, int]]) -> list[int]:
        counts = collections.Counter(label for _, label in images)
        return [counts[label] for label in range(3)]

    def assert_refused(self, message: str):
        with self.assertRaisesRegex(errors.InputError, message) as caught:
            self.load().num_examples("train")
        self.assertNotIn("\n", str(caught.exception))


class LayoutTest(FolderTest):
    @parameterized.parameters("test", "validation", "val", "valid")
    def test_training_and_test_folder(self, test):
        self.fill("train", 30, 20, 10)
        self.fill(test, 3, 2, 1)
        splits = self.splits()
        self.assertCountEqual(splits["test"], self.files(test))
        self.assertEqual(self.sizes(splits["validation"]), [3, 2, 1])
        self.assertCountEqual(
            splits["train"] + splits["validation"], self.files("train")
        )

    @parameterized.parameters("train", ".")
    def test_without_a_test_folder_test_images_are_withheld(self, part):
        self.fill(part, 30, 20, 10)
        splits = self.splits()
        self.assertEqual(self.sizes(splits["test"]), [3, 2, 1])
        self.assertEqual(self.sizes(splits["validation"]), [2, 2, 1])
        self.assertCountEqual(
            splits["train"] + splits["validation"] + splits["test"],
            self.files(part),
        )

    def test_validation_images_beside_test_images_are_trained_on(self):
        self.fill("train", 20, 10, 10)
        self.fill("val", 10, 0, 10)
        self.fill("test", 1, 1, 1)
        splits = self.splits()
        self.assertCountEqual(splits["test"], self.files("test"))
        self.assertEqual(self.sizes(splits["validation"]), [3, 1, 2])
        self.assertCountEqual(
            splits["train"] + splits["validation"], self.files("train", "val")
        )

    def test_a_test_folder_without_classes_has_no_labels(self):
        self.fill("train", 10, 10, 10)
        self.fill("val", 2, 2, 2)
        (self.root / "test").mkdir()
        Image.fromarray(_pixels(0)).save(self.root / "test" / "0.png")
        self.assertCountEqual(self.splits()["test"], self.files("val"))

    def test_classes_are_the_folders_in_order(self):
        self.fill("train", 3, 3, 3)
        source = datasets.source(self.name)
        self.assertEqual(source.labels, CLASSES)
        self.assertEqual(source.num_classes, 3)
        self.assertEqual(source.crop, 0.875)
        self.assertEqual(source.mean, (0.485, 0.456, 0.406))
        self.assertEqual(self.load().source, source)

    def test_a_class_may_have_the_name_of_a_part(self):
        for name in ("train", "test", "cat"):
            self.fill(".", 10)
            (self.root / "cat").rename(self.root / name)
        self.assertEqual(self.load().source.labels, ("cat", "test", "train"))
        self.assertLen(sum(self.splits().values(), []), 30)

    def test_folders_below_a_class_and_behind_links_are_walked(self):
        self.fill("train", 10, 10, 10)
        expected = self.files("train")
        cat, dog = self.root / "train" / "cat", self.root / "train" / "dog"
        (cat / "2024" / "may").mkdir(parents=True)
        (cat / "0.png").rename(cat / "2024" / "may" / "0.png")
        dog.rename(self.root.parent / "elsewhere")
        dog.symlink_to(self.root.parent / "elsewhere")
        (cat / "2024" / "loop").symlink_to(cat)  # To what it is in.
        (cat / "self").symlink_to(cat / "self")
        self.assertCountEqual(sum(self.splits().values(), []), expected)

    def test_what_is_left_out_is_told_by_reason_in_one_line(self):
        self.fill("train", 10, 10, 10)
        self.fill("test", 1, 1, 1)
        self.fill("extra", 1, 1, 1)
        train = self.root / "train"
        for number in range(7):
            (train / "cat" / f"{number}.txt").write_text("a cat")
        (train / "dog" / "empty.jpg").write_bytes(b"")
        (train / "dog" / "bad.jpg").write_bytes(b"bad")
        (train / "link.jpg").symlink_to(train / "dog" / "0.png")
        with self.assertLogs("tf_autoformer", "WARNING") as logs:
            self.load()
        texts = [f"train/cat/{number}.txt" for number in range(5)]
        (record,) = logs.records
        self.assertEqual(
            record.getMessage(),
            f"left out of the 43 files in {self.root}: 1 damaged or no image: "
            "train/dog/bad.jpg; 1 empty: train/dog/empty.jpg; 7 without a "
            "suffix of images, .bmp, .gif, .jpeg, .jpg, .jpe, .jfif, .png, "
            f".tif, .tiff, .webp: {', '.join(texts)} and 2 more; 1 in no "
            "folder of a class: train/link.jpg; 1 folders that are no part of "
            "it: extra/",
        )

    def test_what_is_no_image_by_its_name_and_what_is_hidden_is_ignored(self):
        self.fill("train", 10, 10, 10)
        expected = self.files("train")
        (self.root / ".git").mkdir()
        (self.root / "train" / ".cache").mkdir()
        (self.root / "train" / "notes.txt").write_text("notes")
        (self.root / "train" / "cat" / "list.csv").write_text("0.png")
        image = self.root / "train" / "cat" / "0.png"
        shutil.copy(image, image.with_name("._0.png"))
        found = sum(self.splits().values(), [])
        self.assertCountEqual(found, expected)

    def test_order_and_splits_are_the_same_wherever_the_folder_is(self):
        self.fill("train", 30, 20, 10)
        first = self.splits()
        self.assertEqual(self.splits(), first)
        # The order of creation and the place are others.
        for path in sorted(self.root.rglob("*.png"), reverse=True):
            new = self.root.parent / "moved" / path.relative_to(self.root)
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, new)
        self.name = f"{names.FOLDER}{self.root.parent / 'moved'}"
        self.assertEqual(self.splits(), first)
        labels = [label for _, label in first["train"]]
        self.assertNotEqual(labels, sorted(labels))

    @parameterized.parameters(
        ((), "must be a folder, but does not exist"),
        (("",), "must hold a folder of images for each class, but holds no fo"),
        (("train",), "/train must hold a folder of images for each class, but"),
        (("test/cat",), "has a folder test, and must have a folder train"),
        (
            ("train/cat", "test/fish"),
            "test has a class 'fish' that train has not",
        ),
        (("train/cat",), "/train/cat must hold images, but has no file .bmp"),
        (("cat",), "/cat must hold images, but has no file .bmp"),
    )
    def test_a_folder_that_lacks_something_is_refused(self, folders, message):
        for folder in folders:
            (self.root / folder).mkdir(parents=True)
        self.assert_refused(f"^image_folder is '{self.root}'; .*{message}")

    def test_a_test_folder_without_images_is_refused(self):
        self.fill("train", 2, 2, 2)
        self.fill("test", 0, 0, 0)
        self.assert_refused(f"{self.root}/test must hold images in its classes")

    def test_a_single_class_is_taken_with_a_warning(self):
        self.fill("train", 12)
        with self.assertLogs("tf_autoformer", "WARNING") as logs:
            self.assertEqual(self.load().source.labels, ("cat",))
        (line,) = logs.output
        self.assertRegex(line, "images has one class only, cat: ")

    def test_two_classes_are_taken_without(self):
        self.fill("train", 12, 12)
        with self.assertNoLogs("tf_autoformer", "WARNING"):
            self.load()

    def test_a_class_whose_name_is_not_utf8_is_refused(self):
        self.fill("train", 2, 2)
        os.mkdir(os.fsencode(self.root / "train") + b"/caf\xe9")
        with self.assertRaisesRegex(
            errors.InputError, r"class 'caf\\udce9' must be in UTF-8$"
        ):
            datasets.source(self.name)

    def test_an_image_whose_name_is_not_utf8_is_an_image(self):
        self.fill("train", 3, 3)
        folder = os.fsencode(self.root / "train" / "cat")
        shutil.copy(folder + b"/0.png", folder + b"/caf\xe9.png")
        (self.root / "test" / "cat").mkdir(parents=True)
        shutil.copy(folder + b"/0.png", os.fsencode(self.root / "test/cat"))
        splits = self.splits()
        self.assertLen(splits["train"] + splits["validation"], 7)

    def test_a_file_is_refused(self):
        self.root.write_text("content")
        self.assert_refused(
            f"^image_folder is '{self.root}'; it must be a folder, but is a fi"
        )

    @parameterized.parameters(
        ("test", 1, "class 'dog' has 1 training images; .* at least 2"),
        (None, 2, "class 'dog' has 2 training images; .* at least 3"),
    )
    def test_a_class_of_too_few_images_is_refused(self, test, size, message):
        self.fill("train", 5, size, 5)
        if test is not None:
            self.fill(test, 1, 1, 1)
        self.assert_refused(f"^{self.root}: {message}")

    def test_a_class_of_unreadable_images_is_refused(self):
        self.fill("train", 5, 1, 5)
        (self.root / "train" / "dog" / "0.png").write_bytes(b"content")
        self.assert_refused("class 'dog' has no readable training image")


def _encoded(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


class FormatsTest(parameterized.TestCase):
    """What Pillow writes, decoded as it is for training."""

    @parameterized.parameters(
        ("L", "JPEG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "BMP"),
        ("L", "BMP"),
        ("1", "BMP"),
        ("P", "BMP"),
        ("RGBA", "BMP"),
        ("P", "GIF"),
    )
    def test_decodes_as_pillow_does(self, mode, kind):
        image = Image.fromarray(_pixels(0)).convert(mode)
        encoded = _encoded(image, kind)
        stored = Image.open(io.BytesIO(encoded))
        self.assertEqual(stored.format, kind)
        expected = np.array(stored.convert("RGB"))
        found = preprocessing.decode(encoded).numpy()
        # Decoders round each in its way.
        np.testing.assert_allclose(
            np.int32(found), expected, atol=4 if kind == "JPEG" else 0
        )

    def test_of_16_bits_the_upper_8_count(self):
        pixels = np.uint16(_pixels(0)[..., 0]) * 256 + 77
        encoded = _encoded(Image.fromarray(pixels), "PNG")
        found = preprocessing.decode(encoded).numpy()
        np.testing.assert_array_equal(
            found, np.repeat(_pixels(0)[..., :1], 3, axis=-1)
        )

    @parameterized.parameters(((1, 1), "PNG"), ((1, 1), "JPEG"))
    def test_a_single_pixel(self, shape, kind):
        image = Image.fromarray(_pixels(0, *shape))
        found = preprocessing.decode(_encoded(image, kind))
        self.assertEqual(found.shape, [1, 1, 3])


class UnreadableTest(FolderTest):
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
        ("cut.png", lambda whole: _encoded(_large(), "PNG")[:-2000]),
        ("cut.webp", lambda whole: _encoded(_large(), "WEBP")[:-200]),
        ("zeros.jpg", lambda whole: whole[:300] + bytes(len(whole) - 300)),
        ("16 bits.tif", lambda whole: _tiff_of_16_bits()),
        # A whole image of more pixels than Pillow takes.
        ("bomb.png", lambda whole: _encoded(_bomb(), "PNG"), _LARGE),
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

    def test_what_pillow_alone_can_read_is_converted(self):
        expected = self.files("train")
        image = Image.fromarray(_pixels(7))
        exif = Image.Exif()
        exif[274] = 6  # It lies on its side.
        for name, content in (
            ("a.webp", _encoded(image, "WEBP", lossless=True)),
            ("b.jpg", _encoded(image, "WEBP", lossless=True, exif=exif)),
            ("c.tif", _encoded(image, "TIFF", compression="tiff_lzw")),
            ("d.jfif", _encoded(image, "JPEG", quality=100)),
            ("e.bmp", _bmp_of_16_bits()),
        ):
            self.add(name, content)
        self.assertLen(self.logged(), 1)  # Nothing is left out.
        read = {
            preprocessing.decode(content).numpy().tobytes()
            for content, label in sum(self.splits().values(), [])
            if label == 1
        }
        self.assertLen(sum(self.splits().values(), []), len(expected) + 5)
        upright = np.rot90(_pixels(7), -1)
        self.assertContainsSubset(
            {_pixels(7).tobytes(), upright.tobytes()}, read
        )

    def test_odd_and_large_images_are_no_fault(self):
        for number, image in enumerate(
            (
                _encoded(Image.new("RGB", (12_000, 9_000), "red"), "JPEG"),
                _encoded(Image.new("L", (1, 1)), "PNG"),
                _encoded(Image.fromarray(_pixels(0)).convert("CMYK"), "JPEG"),
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
                message, rf"^{done} of 60 files  \d+ files/s  ETA \d:\d\d:\d\d$"
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
