"""Naming and loading data sets."""

import pathlib

from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.data import datasets


class DatasetsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_an_unknown_name_is_refused_with_those_that_exist(self):
        message = "dataset is 'mnist'; it must be one of digits"
        for function in (datasets.source, datasets.labels, datasets.load):
            with self.assertRaisesRegex(errors.InputError, message):
                function("mnist")

    def test_labels_in_the_order_of_the_classes(self):
        self.assertEqual(datasets.labels("digits"), tuple("0123456789"))

    def test_every_source_agrees_with_its_builder(self):
        for name, source in datasets.SOURCES.items():
            self.assertLen(datasets.labels(name), source.num_classes)
            splits = (source.train, source.validation, source.test)
            self.assertLen(set(splits), 3)
            self.assertLen(source.mean, 3)
            self.assertLen(source.std, 3)

    def test_loading_prepares_the_data_in_the_given_folder_once(self):
        folder = self.folder / "new" / "folder"

        def files() -> dict[str, int]:
            return {
                str(file.relative_to(folder)): file.stat().st_mtime_ns
                for file in folder.rglob("*")
                if file.is_file()
            }

        dataset = datasets.load("digits", str(folder))
        self.assertEqual(dataset.num_examples("validation"), 288)
        prepared = files()
        self.assertNotEmpty(prepared)
        again = datasets.load("digits", str(folder))
        self.assertEqual(again.num_examples("validation"), 288)
        self.assertEqual(files(), prepared)

    def test_a_folder_below_a_file_is_an_input_error(self):
        (self.folder / "file").write_text("content")
        folder = self.folder / "file" / "below"
        with self.assertRaisesRegex(
            errors.InputError, f"cannot write to {folder}: "
        ):
            datasets.load("digits", str(folder))


if __name__ == "__main__":
    absltest.main()
