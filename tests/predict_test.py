"""Files and folders are classified, in every form, and bad files are told."""

import contextlib
import csv
import io
import json
import pathlib
import re

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import options, processes, shared
from tf_autoformer import errors, predict
from tf_autoformer.serving import classifier, prediction


def invented(batches: list[int]) -> classifier.Classifier:
    """A classifier of the length of a file, which notes its batches."""

    def classify(contents):
        batches.append(len(contents))
        probabilities = [
            [0.25, 0.5, 0.25] if len(each) % 2 else [0.7, 0.1, 0.2]
            for each in contents
        ]
        reasons = ["empty" if not each else "" for each in contents]
        return classifier.Answers(np.array(probabilities), reasons)

    return classifier.Classifier(["a", "b", "c"], classify)


class PredictionTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "b").mkdir()
        for name, content in (
            ("z.png", b"x"),
            ("b/1.JPG", b"xx"),
            ("b/note.txt", b"x"),
            ("a.gif", b""),
        ):
            (self.folder / name).write_bytes(content)

    def test_folders_are_searched_and_named_files_always_count(self):
        found = prediction.find(
            [str(self.folder / "b" / "note.txt"), str(self.folder)]
        )
        self.assertEqual(
            [str(each.relative_to(self.folder)) for each in found],
            ["b/note.txt", "a.gif", "b/1.JPG", "z.png"],
        )
        with self.assertRaisesRegex(errors.InputError, "x.png does not exist"):
            prediction.find([str(self.folder / "x.png")])
        with self.assertRaisesRegex(errors.InputError, "there is no image"):
            prediction.find([])

    def test_a_batch_at_a_time_is_read_and_asked(self):
        batches = []
        paths = [self.folder / "z.png"] * 5
        found = prediction.predict(invented(batches), paths, 2, 2)
        self.assertEqual(
            next(found),
            prediction.Prediction(paths[0], [("b", 0.5), ("a", 0.25)], ""),
        )
        self.assertEqual(batches, [2])
        self.assertLen(list(found), 4)
        self.assertEqual(batches, [2, 2, 1])

    def test_a_file_that_cannot_be_read_has_the_reason(self):
        gone = self.folder / "gone.png"
        paths = [
            self.folder / "a.gif",
            gone,
            self.folder,
            self.folder / "z.png",
        ]
        found = list(prediction.predict(invented([]), paths, 1, 10))
        self.assertEqual(
            [each.error for each in found],
            ["empty", "no regular file", "no regular file", ""],
        )
        self.assertEqual([len(each.classes) for each in found], [0, 0, 0, 1])


class PredictTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = shared.exported() / "1"

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.good, self.bad = self.folder / "a,b.png", self.folder / "bad.png"
        colors = np.random.default_rng(0).integers(0, 256, [9, 9, 3], np.uint8)
        Image.fromarray(colors).save(self.good)
        self.bad.write_bytes(b"no image")
        signature = tf.saved_model.load(str(self.model)).signatures
        (self.probabilities,) = signature["serving_bytes"](
            image_bytes=tf.constant([self.good.read_bytes()])
        )["probabilities"].numpy()

    def _print(self, *arguments: str) -> str:
        """What is printed for the good file and the bad one."""
        found = options.parse(
            predict.Options, f"--model={self.model}", *arguments
        )
        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            self.assertRaisesRegex(errors.InputError, "^1 of 2 images could"),
        ):
            predict.main(found, [str(self.folder)])
        return out.getvalue()

    def test_a_table_has_the_likeliest(self):
        order = np.argsort(-self.probabilities)[:2]
        likeliest = "  ".join(
            f"{index} {self.probabilities[index]:.1%}" for index in order
        )
        self.assertEqual(
            self._print("--top=2"),
            f"{self.good}  {likeliest}\n"
            f"{self.bad}  not read: not a JPEG, PNG, GIF or BMP\n",
        )

    def test_json_has_all_of_it(self):
        good, bad = json.loads(self._print("--format=json", "--top=99"))
        self.assertEqual(good["path"], str(self.good))
        self.assertEqual(good["error"], "")
        self.assertLen(good["classes"], 10)
        for each in good["classes"]:
            self.assertAlmostEqual(
                each["probability"], self.probabilities[int(each["label"])], 5
            )
        self.assertEqual(bad["classes"], [])
        self.assertEqual(bad["error"], "not a JPEG, PNG, GIF or BMP")

    def test_csv_has_a_row_for_each_class(self):
        text = self._print("--format=csv", "--top=3")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(
            [(row["path"], row["rank"]) for row in rows],
            [
                *((str(self.good), f"{rank}") for rank in (1, 2, 3)),
                (str(self.bad), ""),
            ],
        )
        self.assertEqual(rows[0]["label"], f"{np.argmax(self.probabilities)}")
        self.assertEqual(rows[3]["error"], "not a JPEG, PNG, GIF or BMP")

    def test_the_exit_code_tells_of_a_bad_file(self):
        for paths, code in (([self.good], 0), ([self.good, self.bad], 1)):
            found = processes.run(
                "predict", f"--model={self.model}", *map(str, paths)
            )
            self.assertEqual(found.code, code, found.err)
            self.assertLen(found.out.splitlines(), len(paths))
            self.assertEqual(
                bool(re.search("error: 1 of 2 images could", found.err)),
                code == 1,
            )

    def test_a_folder_without_a_model_is_refused(self):
        found = options.parse(predict.Options, f"--model={self.folder}")
        with self.assertRaisesRegex(errors.InputError, "holds no SavedModel"):
            predict.main(found, [str(self.good)])
        (self.folder / "saved_model.pb").write_bytes(b"damaged")
        with self.assertRaisesRegex(errors.InputError, "cannot load "):
            predict.main(found, [str(self.good)])

    @parameterized.parameters("format=xml", "top=0", "batch_size=0")
    def test_a_wrong_flag_is_refused(self, flag):
        with self.assertRaises(
            (errors.InputError, flags.IllegalFlagValueError)
        ):
            options.parse(predict.Options, f"--model={self.model}", f"--{flag}")


if __name__ == "__main__":
    absltest.main()
