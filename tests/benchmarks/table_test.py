"""The table of made-up figures, and the file that shows it."""

import dataclasses
import pathlib
import platform
from unittest import mock

from absl.testing import absltest

from benchmarks import comparison, table
from tf_autoformer import errors
from tf_autoformer.supernet import cores

BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
SUBJECT = comparison.Subject(
    "tiny", "float32", batch_size=2, rounds=2, steps=3, seed=0
)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


class MarkdownTest(absltest.TestCase):
    def _rows(self, *rows: table.Row) -> list[dict[str, str]]:
        """By column, what stands in each row; "other side" is the last."""
        text = table.markdown(rows, "python -m typed")
        header, rule, *lines = text.split("\n\n")[0].splitlines()
        self.assertEqual(set(_cells(rule)), {"---"})
        for line in (header, rule, *lines):
            self.assertTrue(line.startswith("| ") and line.endswith(" |"))
            self.assertLen(_cells(line), len(_cells(header)))
        return [
            dict(zip(_cells(header), _cells(line), strict=True))
            for line in lines
        ]

    def test_times_are_medians_with_ratio_targets_and_shares(self):
        row = table.timed(
            "train",
            SUBJECT,
            [[0.2, 9.0, 0.1], [1.25, 0.5, 2.0]],
            6.254,
            [table.Target("≥ 2.5×", True), table.Target("share ≥ 35%", False)],
            peaks=[1e12, 2.5e12],
        )._replace(shares=[0.347, 0.1])

        (cells,) = self._rows(row)

        self.assertEqual(
            cells,
            {
                "case": "train",
                "model": "tiny",
                "precision": "float32",
                "ours": "200.0 ms",
                "other side": "10%",  # The second column of this name.
                "ratio": "6.25×",
                "target": "≥ 2.5×, share ≥ 35%",
                "met": "yes, no",
                "share of peak: ours": "35%",
            },
        )
        text = table.markdown([row], "python -m typed")
        self.assertIn("| 200.0 ms | 1.25 s | 6.25× |", text)
        self.assertRegex(text.replace("\n", " "), r"tiny float32 1,000 / 2,500")
        self.assertIn("\n\n    python -m typed\n\n", text)

    def test_what_has_no_target_and_no_share_has_dashes(self):
        row = table.timed("forward", SUBJECT, [[1.0], [0.5]], 0.5, [])

        (cells,) = self._rows(row)

        self.assertEqual(
            [cells[name] for name in ("target", "met", "other side")], ["–"] * 3
        )
        self.assertNotIn("Peak", table.markdown([row], ""))

    def test_the_rows_keep_their_order(self):
        names = ["memory", "train", "forward"]
        rows = [
            table.timed(name, SUBJECT, [[1.0], [1.0]], 1, []) for name in names
        ]

        self.assertEqual([row["case"] for row in self._rows(*rows)], names)

    def test_the_raw_figures_are_all_that_was_measured(self):
        row = table.timed("x", SUBJECT, [[1.0, 2.0], [3.0]], 2.0, [], more=[4])

        self.assertEqual(
            row.raw,
            {"seconds": [[1.0, 2.0], [3.0]], "ratio": 2.0, "more": [4]},
        )


@dataclasses.dataclass(frozen=True)
class Options:
    names: tuple[str, ...] = ("a",)
    steps: int = 5
    seed: int = 0
    update: pathlib.Path | None = None


class CommandTest(absltest.TestCase):
    def test_it_has_the_shown_options_that_are_not_the_defaults(self):
        shown = ("names", "steps", "seed")
        for options, command in (
            (Options(), "python -m benchmarks.x"),
            (
                Options(("b", "c"), steps=4, update=pathlib.Path("/home/me")),
                "python -m benchmarks.x --names=b,c --steps=4",
            ),
        ):
            self.assertEqual(table.command("x", options, shown), command)


class UpdateTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "page.md"

    def test_replaces_what_is_between_the_marks_and_no_other_byte(self):
        before = "# Titel — ×\n\n\ttext  \n| not | this |\n" + BEGIN
        after = END + "\nafter " + BEGIN.strip() + "  \n\n\nblanks \n\n"
        self.path.write_bytes(f"{before}old\ntable\n{after}".encode())

        for text in ("| new | × |\n", "| newer |\n"):
            table.update(self.path, text)

            found = self.path.read_bytes()
            self.assertStartsWith(found, before.encode())
            self.assertEndsWith(found, after.encode())
            between = found[len(before.encode()) : -len(after.encode())]
            self.assertEqual(between.decode(), f"\n{text}\n")

    def test_the_table_of_a_gpu_is_another(self):
        begin = "<!-- table on a GPU: begin -->\n"
        end = "<!-- table on a GPU: end -->\n"
        self.path.write_text(f"{BEGIN}old\n{END}{begin}old{end}")
        table.update(self.path, "new", "gpu")
        self.assertEqual(
            self.path.read_text(), f"{BEGIN}old\n{END}{begin}\nnew\n{end}"
        )

    def test_a_file_without_both_marks_in_their_order_is_refused(self):
        for text in (
            "",
            "text\n",
            BEGIN,
            END,
            END + BEGIN,
            BEGIN.strip() + END,
        ):
            with self.subTest(text):
                self.path.write_text(text)

                with self.assertRaisesRegex(
                    errors.InputError,
                    "page.md must have a line .*begin.* after it one .*end",
                ):
                    table.update(self.path, "| new |\n")

                self.assertEqual(self.path.read_text(), text)

    def test_a_file_that_cannot_be_read_is_named(self):
        with self.assertRaisesRegex(errors.InputError, "cannot read .*page.md"):
            table.split(self.path)
        self.path.write_bytes(b"\xff\xfe")
        with self.assertRaisesRegex(errors.InputError, "cannot read .*page.md"):
            table.split(self.path)


class ProvenanceTest(absltest.TestCase):
    def test_where_the_system_tells_little_it_names_the_machine(self):
        macos = mock.Mock(spec=["cpu_count"], cpu_count=lambda: 6)
        with (
            mock.patch.object(cores, "os", macos),
            mock.patch.object(
                pathlib.Path, "read_text", side_effect=FileNotFoundError
            ),
        ):
            text = table.provenance("a command")
        self.assertIn(f", {platform.machine()}, 6 cores; ", text)


if __name__ == "__main__":
    absltest.main()
