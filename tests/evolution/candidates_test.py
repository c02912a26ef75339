"""The file of candidates: read as written, mended after a crash."""

import dataclasses
import json
import pathlib

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.evolution import candidates, selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost

FIRST, SECOND, THIRD = (
    selection.Candidate(
        generation=generation,
        architecture=architecture_lib.Architecture(
            embed_dim=16, depth=2, num_heads=(1, heads), mlp_ratio=(0.5, 4.0)
        ),
        # With as many digits as a float has.
        accuracy=1 / heads,
        costs={"params": 1000 * heads, "macs": 123_456_789_012},
        origin="mutation",
    )
    for generation, heads in ((0, 2), (0, 3), (1, 7))
)


class CandidateFileTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = folder / "search" / "candidates.jsonl"

    def _write(self) -> str:
        file = candidates.CandidateFile(self.path)
        for candidate in (FIRST, SECOND, THIRD):
            file.append(candidate)
        return self.path.read_text()

    def _read(self) -> list[selection.Candidate]:
        return list(candidates.CandidateFile(self.path).known.values())

    def test_a_file_that_does_not_exist_is_empty_and_not_made(self):
        self.assertEmpty(self._read())
        self.assertFalse(self.path.exists())

    def test_round_trip(self):
        self._write()
        self.assertEqual(self._read(), [FIRST, SECOND, THIRD])
        known = candidates.CandidateFile(self.path).known
        self.assertEqual(known[SECOND.architecture], SECOND)

    def test_each_candidate_is_on_disk_before_the_next_comes(self):
        file = candidates.CandidateFile(self.path)
        written = []
        for candidate in (FIRST, SECOND, THIRD):
            file.append(candidate)
            written.append(candidate)
            self.assertEqual(list(file.known.values()), written)
            self.assertEqual(self._read(), written)

    def test_a_line_is_what_the_class_promises(self):
        line = json.loads(self._write().splitlines()[2])
        self.assertEqual(
            line,
            {
                "generation": 1,
                "origin": "mutation",
                "accuracy": 1 / 7,
                "params": 7000,
                "macs": 123_456_789_012,
                "architecture": {
                    "embed_dim": 16,
                    "depth": 2,
                    "num_heads": [1, 7],
                    "mlp_ratio": [0.5, 4.0],
                },
            },
        )

    def test_a_line_of_an_earlier_version_has_no_origin(self):
        self._write()
        text = self.path.read_text()
        self.path.write_text(text.replace('"origin": "mutation", ', ""))
        self.assertEqual([each.origin for each in self._read()], [""] * 3)

    def test_a_race_adds_the_images_of_a_stopped_one_and_the_answers(self):
        raced = [
            dataclasses.replace(FIRST, right="gA=="),
            dataclasses.replace(SECOND, images=32, right="4A=="),
        ]
        file = candidates.CandidateFile(self.path)
        for candidate in raced:
            file.append(candidate)
        self.assertEqual(self._read(), raced)
        first, second = map(json.loads, self.path.read_text().splitlines())
        self.assertNotIn("images", first)
        self.assertEqual(first["right"], "gA==")
        self.assertEqual((second["images"], second["right"]), (32, "4A=="))

    def test_a_cost_with_a_fraction_is_read_as_written_and_counts_stay(self):
        costs = {"params": 7000, "macs": 2**60 + 1, "latency": 3.7}
        timed = dataclasses.replace(FIRST, costs=costs)
        candidates.CandidateFile(self.path).append(timed)
        self.assertIn('"latency": 3.7,', self.path.read_text())
        (read,) = self._read()
        self.assertEqual(read, timed)
        self.assertEqual(
            {name: type(value) for name, value in read.costs.items()},
            {"params": int, "macs": int, "latency": float},
        )

    def test_a_line_without_a_cost_that_is_asked_for_is_named(self):
        latency = cost.Cost("latency", "ms", lambda *_: 3.7, "milliseconds")
        file = candidates.CandidateFile(self.path, (latency,))
        timed = {**FIRST.costs, "latency": 3.7}
        file.append(dataclasses.replace(FIRST, costs=timed))
        self.assertLen(candidates.CandidateFile(self.path, (latency,)).known, 1)
        file.append(SECOND)
        with self.assertRaisesRegex(
            errors.InputError, "candidates.jsonl, line 2 .*latency"
        ):
            candidates.CandidateFile(self.path, (latency,))

    def test_the_accuracy_of_one_is_found_while_a_line_is_written(self):
        stopped = dataclasses.replace(FIRST, images=3)
        text = self._write()
        self.assertEqual(
            candidates.accuracy_of(self.path, SECOND.architecture),
            SECOND.accuracy,
        )
        torn = text + text[:9]
        self.path.write_text(torn)
        found = candidates.accuracy_of(self.path, THIRD.architecture)
        self.assertEqual(found, THIRD.accuracy)
        self.assertEqual(self.path.read_text(), torn)

        other = self.path.with_name("other.jsonl")
        self.assertIsNone(candidates.accuracy_of(other, FIRST.architecture))
        candidates.CandidateFile(other).append(stopped)
        self.assertIsNone(candidates.accuracy_of(other, FIRST.architecture))

    def test_a_last_line_torn_anywhere_is_dropped_and_the_file_mended(self):
        text = self._write()
        whole = text[: text[:-1].rindex("\n") + 1]
        for end in range(len(whole), len(text)):
            self.path.write_text(text[:end])
            file = candidates.CandidateFile(self.path)
            self.assertEqual(list(file.known.values()), [FIRST, SECOND])
            self.assertEqual(self.path.read_text(), whole)
        file.append(THIRD)
        self.assertEqual(self.path.read_text(), text)
        self.assertEqual(self._read(), [FIRST, SECOND, THIRD])

    def test_a_torn_only_line_leaves_an_empty_file(self):
        text = self._write()
        self.path.write_text(text[:10])
        self.assertEmpty(self._read())
        self.assertEqual(self.path.read_text(), "")

    @parameterized.parameters(
        "",
        "[" * 100_000,
        *(
            f'{{"generation": 0, "accuracy": {accuracy}, "params": {params}, '
            '"architecture": {"embed_dim": 4, "depth": 1, "num_heads": [1], '
            '"mlp_ratio": [1]}}'
            for accuracy, params in (
                ("NaN", "1"),
                ("Infinity", "1"),
                ("7.5", "1"),
                ("-0.1", "1"),
                ("1" + "0" * 400, "1"),
                ("true", "1"),
                ('"0.5"', "1"),
                ("0.5", "NaN"),
                ("0.5", "1e999"),
                ("0.5", "1" + "0" * 400),
            )
        ),
        *(
            f'{{"generation": {generation}, "accuracy": 0.5, "params": 1, '
            '"architecture": {"embed_dim": 4, "depth": 1, "num_heads": [1], '
            '"mlp_ratio": [1]}}'
            for generation in ("-1", "0.5", '"0"', "true", "1" + "0" * 400)
        ),
        '{"generation": 0, "accur',
        '{"generation": 0, "origin": 7, "accuracy": 0.5, "params": 1, '
        '"architecture": {"embed_dim": 4, "depth": 1, "num_heads": [1], '
        '"mlp_ratio": [1]}}',
        "[1, 2]",
        "3",
        '"text"',
        "null",
        '{"generation": 0, "architecture": {}}',
        '{"generation": 0, "accuracy": 0.5, "architecture": {"depth": 2}}',
        '{"generation": 0, "accuracy": 0.5, "architecture": 7}',
        '{"generation": 0, "accuracy": null, "params": 1, "architecture": '
        '{"embed_dim": 4, "depth": 1, "num_heads": [1], "mlp_ratio": [1]}}',
        '{"generation": 0, "accuracy": 0.5, "architecture": '
        '{"embed_dim": 4, "depth": 1, "num_heads": [1], "mlp_ratio": [1]}}',
        '{"generation": 0, "accuracy": 0.5, "params": "1", "architecture": '
        '{"embed_dim": 4, "depth": 1, "num_heads": [1], "mlp_ratio": [1]}}',
        '{"generation": 0, "accuracy": 0.5, "params": true, "architecture": '
        '{"embed_dim": 4, "depth": 1, "num_heads": [1], "mlp_ratio": [1]}}',
    )
    def test_a_damaged_line_is_named(self, damaged):
        lines = self._write().splitlines()
        lines[1] = damaged
        text = "\n".join(lines) + "\n"
        self.path.write_text(text)
        with self.assertRaisesRegex(
            errors.InputError, "candidates.jsonl, line 2 is damaged: "
        ):
            candidates.CandidateFile(self.path)
        self.assertEqual(self.path.read_text(), text)

    def test_a_line_that_is_not_text_is_named(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b'{"generation": \xff}\n')
        with self.assertRaisesRegex(errors.InputError, "line 1 is damaged"):
            candidates.CandidateFile(self.path)

    def test_an_append_to_a_folder_that_cannot_be_made_is_an_input_error(self):
        file = candidates.CandidateFile(self.path)
        self.path.parent.write_text("a file")
        with self.assertRaisesRegex(errors.InputError, "cannot write to"):
            file.append(FIRST)


class FrontTest(absltest.TestCase):
    def test_a_front_is_read_as_it_was_written(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "front.json"
        written = [THIRD, FIRST]
        candidates.write_front(path, written)
        self.assertEqual(candidates.read_front(path), written)
        for damage in ("3", '[{"accuracy": 2}]', "[[]]"):
            path.write_text(damage)
            with self.assertRaisesRegex(
                errors.InputError, "front.json is damaged"
            ):
                candidates.read_front(path)


if __name__ == "__main__":
    absltest.main()
