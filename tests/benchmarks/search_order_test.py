"""The benchmark of a search's order of work, on a tiny search."""

import re

from absl.testing import absltest

from benchmarks import search_order
from tests.helpers import processes, shared

Seconds = search_order.Seconds


class SearchOrderTest(processes.MistakeTest):
    def test_both_sides_agree_on_every_candidate(self):
        result = processes.run(
            "search_order",
            f"--workdir={shared.searched()}",
            f"--data_dir={shared.digits()}",
            "--generations=2",
            "--rounds=1",
            "--parents=3",
            package="benchmarks",
        )
        self.assertEqual(result.code, 0, result.err)
        rows = re.findall(r"^\| (\d) \| [\d.]+ s \|", result.out, re.MULTILINE)
        self.assertEqual(rows, ["1", "3"])
        self.assertIn(
            "- 10 candidates, 288 images of the validation and 360 of the test",
            result.out,
        )
        self.assertIn(
            "python -m benchmarks.search_order --workdir=DIR --generations=2 "
            "--rounds=1 --parents=3",
            result.out,
        )

    def test_ratios_are_of_the_total_times(self):
        seconds = {
            "validation": [Seconds(10, 20), Seconds(14, 28)],
            "test": [Seconds(30, 60), Seconds(42, 84)],
            "one pass": [Seconds(4, 8), Seconds(4, 8)],
            "one pass, racing": [Seconds(3, 4), Seconds(5, 4)],
        }
        saved = {"one pass": 0.25, "one pass, racing": 0.5}
        rows = [search_order.Row(3, 20, seconds, saved)]
        self.assertEqual(
            search_order._table(rows)[2],
            "| 3 | 12.0 s | 36.0 s | 4.0 s, 12.0× | 4.0 s, 12.0× | 25% | 50% |",
        )
        one_pass, raced = search_order._ratios(rows)
        self.assertEqual(
            one_pass,
            "- one pass: 12.0× as fast (aim ≥ 3×: met), of which 4.0× is the "
            "test images and 3.0× the rest. In CPU time it is 12.0× and "
            "3.0×.",
        )
        self.assertEndsWith(raced, ". In CPU time it is 24.0× and 6.0×.")

    def test_a_folder_without_a_search_is_named(self):
        self.check_mistake(
            processes.run(
                "search_order",
                f"--workdir={shared.trained()}",
                package="benchmarks",
            ),
            "search/default holds no candidates; run the search first",
        )


if __name__ == "__main__":
    absltest.main()
