"""A folder of images as a data set: layouts, splits, mistakes."""

import errno
import os
import shutil
from unittest import mock

from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import image_folders
from tf_autoformer import errors
from tf_autoformer.data.sources import datasets, names

_pixels = image_folders.pixels


class LayoutTest(image_folders.FolderTest):
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
        self.assertEqual(source.labels, image_folders.CLASSES)
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

    def test_a_folder_that_may_not_be_read_is_refused(self):
        self.fill("train", 3, 3)
        # The tests' user may be one who can read every folder.
        denied = PermissionError(errno.EACCES, "Permission denied")
        with mock.patch("os.scandir", side_effect=denied):
            self.assert_refused(
                f"^cannot read {self.root}.*: Permission denied"
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


if __name__ == "__main__":
    absltest.main()
