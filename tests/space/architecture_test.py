"""The architecture and its JSON form."""

import json
import pathlib

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture

VALUES = {
    "embed_dim": 48,
    "depth": 2,
    "num_heads": [1, 3],
    "mlp_ratio": [0.5, 4.0],
}
ARCHITECTURE = Architecture(
    embed_dim=48, depth=2, num_heads=(1, 3), mlp_ratio=(0.5, 4.0)
)

BAD = {
    "zero": ({"embed_dim": 0}, "embed_dim is 0; it must be a positive whole"),
    "negative": ({"depth": -2}, "depth is -2; it must be a positive whole"),
    "fraction": ({"embed_dim": 48.5}, "embed_dim is 48.5; .* whole number"),
    "text": ({"depth": "2"}, "depth is '2'; it must be a positive whole"),
    "null": ({"embed_dim": None}, "embed_dim is None; .* whole number"),
    "boolean": ({"depth": True}, "depth is True; .* whole number"),
    "heads_number": ({"num_heads": 3}, "num_heads is 3; it must be a list"),
    "heads_entry": (
        {"num_heads": [1, 1.5]},
        r"num_heads\[1\] is 1.5; it must be a positive whole number",
    ),
    "ratio_number": ({"mlp_ratio": 4.0}, "mlp_ratio is 4.0; .* be a list"),
    "ratio_zero": (
        {"mlp_ratio": [0, 4.0]},
        r"mlp_ratio\[0\] is 0; it must be a positive number",
    ),
    "ratio_text": (
        {"mlp_ratio": [0.5, "4"]},
        r"mlp_ratio\[1\] is '4'; it must be a positive number",
    ),
    "ratio_boolean": (
        {"mlp_ratio": [True, 4.0]},
        r"mlp_ratio\[0\] is True; it must be a positive number",
    ),
    "ratio_nan": (
        {"mlp_ratio": [0.5, float("nan")]},
        r"mlp_ratio\[1\] is nan; it must be a positive number",
    ),
    "heads_count": (
        {"num_heads": [1, 3, 2]},
        "num_heads has 3 entries for depth 2; it needs one for each block",
    ),
    "ratio_count": (
        {"mlp_ratio": []},
        "mlp_ratio has 0 entries for depth 2; it needs one for each block",
    ),
    "unknown_field": (
        {"width": 3},
        "has the fields embed_dim, depth, .*; unknown width",
    ),
}


class ArchitectureTest(parameterized.TestCase):
    def test_json_round_trip(self):
        text = json.dumps(ARCHITECTURE.to_dict())
        self.assertEqual(json.loads(text), VALUES)
        self.assertEqual(Architecture.from_dict(json.loads(text)), ARCHITECTURE)

    def test_a_whole_ratio_in_json_is_the_same_architecture(self):
        read = Architecture.from_dict(VALUES | {"mlp_ratio": [0.5, 4]})
        self.assertEqual(read, ARCHITECTURE)

    @parameterized.named_parameters(
        (name, change, message) for name, (change, message) in BAD.items()
    )
    def test_bad_input_names_field_value_and_rule(self, change, message):
        with self.assertRaisesRegex(errors.InputError, message):
            Architecture.from_dict(VALUES | change)

    @parameterized.parameters(*VALUES)
    def test_a_missing_field_is_refused(self, field):
        values = {key: value for key, value in VALUES.items() if key != field}
        with self.assertRaisesRegex(
            errors.InputError, f"has the fields .*; missing {field}$"
        ):
            Architecture.from_dict(values)

    @parameterized.parameters(([],), ("text",), (3,), (None,))
    def test_json_that_is_no_object_is_refused(self, values):
        with self.assertRaisesRegex(
            errors.InputError,
            f"an architecture has .*; found {type(values).__name__}",
        ):
            Architecture.from_dict(values)

    def test_load_reads_a_file(self):
        path = self.create_tempfile(content=json.dumps(VALUES)).full_path
        self.assertEqual(Architecture.load(path), ARCHITECTURE)

    def test_load_names_the_file_of_a_bad_architecture(self):
        content = json.dumps(VALUES | {"depth": 0})
        path = self.create_tempfile("bad.json", content).full_path
        with self.assertRaisesRegex(
            errors.InputError, "bad.json: depth is 0; it must be"
        ):
            Architecture.load(path)

    def test_load_names_a_missing_file(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "none.json"
        with self.assertRaisesRegex(errors.InputError, "cannot read .*none"):
            Architecture.load(path)


class LoadAllTest(absltest.TestCase):
    def _load(self, values) -> list[Architecture]:
        self.path = pathlib.Path(self.create_tempdir().full_path) / "all.json"
        self.path.write_text(json.dumps(values))
        return architecture_lib.load_all(self.path)

    def test_one_or_several_or_candidates_are_read_once_each(self):
        other = VALUES | {"embed_dim": 24}
        candidate = {"accuracy": 0.5, "architecture": other}
        self.assertEqual(self._load(VALUES), [ARCHITECTURE])
        self.assertEqual(
            self._load([candidate, VALUES, other]),
            [Architecture.from_dict(other), ARCHITECTURE],
        )

    def test_errors_name_the_file(self):
        for values, text in (
            ([], "holds no architecture"),
            ([{"architecture": 3}], "architecture"),
            ([VALUES, "x"], "architecture"),
        ):
            with self.assertRaisesRegex(errors.InputError, f"all.json.*{text}"):
                self._load(values)


if __name__ == "__main__":
    absltest.main()
