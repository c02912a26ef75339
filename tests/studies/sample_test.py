"""The sample of random subnets."""

import csv
import json
import pathlib

from absl.testing import absltest

from tests.helpers import tiny
from tests.studies import fakes
from tf_autoformer import errors
from tf_autoformer.space import constraint, cost
from tf_autoformer.studies import sample


class SampleTest(absltest.TestCase):
    def test_accuracies_are_pooled_and_summed_up(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        allowed = constraint.Range(None, 4000)

        def answer(task):
            folder, subnets, _ = task.arguments
            first = 0.8 if folder.name.endswith("1") else 0.6
            return fakes.result(
                [first + 0.01 * number for number in range(len(subnets))]
            )

        study = fakes.make(root, answer, params=allowed)

        lines = sample.run(study, 5)

        # 70 to 74 %, of which the best two are within a point of the best.
        self.assertEqual(
            lines[2],
            "| supernet | 70.00% | 72.00% | 72.00% | 74.00% | 1.41% | 40.0% |",
        )
        self.assertIn("5 random subnets, each on 1,000 validation", lines[4])
        rows = [*csv.DictReader((study.folder / "sample.csv").open())]
        self.assertEqual([float(row["supernet"]) for row in rows][0], 0.7)
        values = json.loads((study.folder / "sample.json").read_text())
        for row, subnet in zip(rows, values["subnets"], strict=True):
            params = cost.params(
                tiny.DIGITS_MODEL, tiny.SPACE.smallest.from_dict(subnet)
            )
            self.assertEqual(int(row["params"]), params)
            self.assertLessEqual(params, 4000)
        self.assertTrue((study.folder / "sample.png").exists())

    def test_more_subnets_than_there_are_is_refused(self):
        root = self.create_tempdir().full_path
        study = fakes.make(root, None, params=constraint.Range(None, 1600))

        with self.assertRaisesRegex(
            errors.InputError, "of 500 that are wanted"
        ):
            sample.run(study, 500)


if __name__ == "__main__":
    absltest.main()
