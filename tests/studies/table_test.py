"""A table in its three forms."""

import csv
import json
import pathlib

from absl.testing import absltest

from tf_autoformer.studies import table

COLUMNS = (
    table.Column("system", "system"),
    table.Column("accuracy", "accuracy", ".1%"),
)
ROWS = [["HAT", 0.5], ["BigNAS", None]]


class TableTest(absltest.TestCase):
    def test_markdown(self):
        self.assertEqual(
            table.markdown(COLUMNS, ROWS),
            [
                "| system | accuracy |",
                "| --- | --: |",
                "| HAT | 50.0% |",
                "| BigNAS | – |",
            ],
        )

    def test_files_have_the_values_unrounded(self):
        folder = pathlib.Path(self.create_tempdir().full_path)

        table.write(folder, "some", COLUMNS, ROWS, ["line"], {"more": 1})

        self.assertEqual((folder / "some.md").read_text(), "line\n")
        self.assertEqual(
            [*csv.reader((folder / "some.csv").open())],
            [["system", "accuracy"], ["HAT", "0.5"], ["BigNAS", ""]],
        )
        self.assertEqual(
            json.loads((folder / "some.json").read_text()),
            {
                "more": 1,
                "rows": [
                    {"system": "HAT", "accuracy": 0.5},
                    {"system": "BigNAS", "accuracy": None},
                ],
            },
        )


if __name__ == "__main__":
    absltest.main()
