"""Files and folders are classified, in every form, and bad files are told."""

import contextlib
import csv
import io
import json
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import absltest, parameterized
from PIL import Image

from tests.helpers import options, processes, shared
from tf_autoformer import errors, predict
from tf_autoformer.serving import classifier, prediction, prediction_text


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


class TextTest(absltest.TestCase):
    PREDICTIONS = (
        prediction.Prediction(
            pathlib.Path("a,b.png"), [("cat", 0.75), ("dog", 0.2)], ""
        ),
        prediction.Prediction(pathlib.Path("c.png"), [], "no image"),
    )

    def _text(self, kind: str) -> str:
        return "\n".join(prediction_text.FORMATS[kind](self.PREDICTIONS))

    def test_a_table_has_a_line_for_each_file(self):
        self.assertEqual(
            self._text("table"),
            "a,b.png  cat 75.0%  dog 20.0%\nc.png  not read: no image",
        )

    def test_json_is_a_list(self):
        self.assertEqual(
            json.loads(self._text("json")),
            [
                {
                    "path": "a,b.png",
                    "classes": [
                        {"label": "cat", "probability": 0.75},
                        {"label": "dog", "probability": 0.2},
                    ],
                    "error": "",
                },
                {"path": "c.png", "classes": [], "error": "no image"},
            ],
        )

    def test_csv_has_a_row_for_each_class(self):
        self.assertEqual(
            list(csv.reader(self._text("csv").splitlines())),
            [
                ["path", "rank", "label", "probability", "error"],
                ["a,b.png", "1", "cat", "0.75", ""],
                ["a,b.png", "2", "dog", "0.2", ""],
                ["c.png", "", "", "", "no image"],
            ],
        )


class PredictTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_the_answers_are_the_exports(self):
        model = shared.exported() / "1"
        good, bad = self.folder / "a.png", self.folder / "bad.png"
        colors = np.random.default_rng(0).integers(0, 256, [9, 9, 3], np.uint8)
        Image.fromarray(colors).save(good)
        bad.write_bytes(b"no image")
        found = processes.run(
            "predict",
            *(f"--model={model}", "--format=json", "--top=99"),
            *(str(self.folder), str(good)),
        )
        self.assertEqual(found.code, 1)
        self.assertRegex(found.err, "error: 1 of 3 images could not be read")
        signature = tf.saved_model.load(str(model)).signatures["serving_bytes"]
        (expected,) = signature(image_bytes=tf.constant([good.read_bytes()]))[
            "probabilities"
        ].numpy()
        first, second, third = json.loads(found.out)
        for each in (first, third):
            self.assertEqual(each["path"], str(good))
            self.assertLen(each["classes"], 10)
            for found in each["classes"]:
                self.assertAlmostEqual(
                    found["probability"], expected[int(found["label"])], 5
                )
        self.assertEqual(second["path"], str(bad))
        self.assertEqual(second["error"], "not a JPEG, PNG, GIF or BMP")

    def test_files_that_are_all_read_are_no_failure(self):
        path = self.folder / "a.png"
        path.write_bytes(b"x")
        out = io.StringIO()
        with (
            mock.patch.object(classifier, "load", lambda _: invented([])),
            contextlib.redirect_stdout(out),
        ):
            predict.main(
                options.parse(predict.Options, "--model=m", "--top=1"),
                [str(path)],
            )
        self.assertEqual(out.getvalue(), f"{path}  b 50.0%\n")

    def test_a_folder_without_a_model_is_refused(self):
        with self.assertRaisesRegex(errors.InputError, "holds no SavedModel"):
            classifier.load(self.folder)
        (self.folder / "saved_model.pb").write_bytes(b"damaged")
        with self.assertRaisesRegex(errors.InputError, "cannot load "):
            classifier.load(self.folder)

    @parameterized.parameters("format=xml", "top=0", "batch_size=0")
    def test_a_wrong_flag_is_refused(self, flag):
        with self.assertRaises(
            (errors.InputError, flags.IllegalFlagValueError)
        ):
            options.parse(predict.Options, "--model=m", f"--{flag}")


if __name__ == "__main__":
    absltest.main()
