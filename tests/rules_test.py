"""Rules of fields: their borders, their messages, the order of checks."""

import dataclasses
import math
import os
import pathlib
from typing import Literal

from absl.testing import absltest, parameterized

from tf_autoformer import errors, rules

NOT_FINITE = (math.nan, math.inf, -math.inf)
LEAST = 5e-324  # The smallest positive float.


def _after(value: float) -> float:
    return math.nextafter(value, math.inf)


def _before(value: float) -> float:
    return math.nextafter(value, -math.inf)


class RuleTest(parameterized.TestCase):
    @parameterized.named_parameters(
        (
            "positive",
            rules.POSITIVE,
            [LEAST, 1, 1e308],
            [0, 0.0, -0.0, -LEAST, -1, *NOT_FINITE],
        ),
        (
            "not_negative",
            rules.NOT_NEGATIVE,
            [0, 0.0, -0.0, LEAST, 1e308],
            [-LEAST, -1, *NOT_FINITE],
        ),
        (
            "share",
            rules.SHARE,
            [0, 0.5, 1, 1.0],
            [-LEAST, _after(1.0), 2, *NOT_FINITE],
        ),
        (
            "at_least",
            rules.at_least(3),
            [3, 3.0, 4, math.inf],
            [2, _before(3.0), -3, math.nan, -math.inf],
        ),
        (
            "at_most",
            rules.at_most(3),
            [3, 3.0, 2, -(10**400), -math.inf],
            [4, _after(3.0), 10**400, math.nan, math.inf],
        ),
        (
            "below",
            rules.below(1),
            [_before(1.0), 0, -5, -math.inf],
            [1, 1.0, 2, math.nan, math.inf],
        ),
        (
            "between",
            rules.between(-1, 2),
            [-1, 0, 2, 2.0],
            [_before(-1.0), _after(2.0), *NOT_FINITE],
        ),
        (
            "utf8_path",
            rules.UTF8_PATH,
            ["", "café", pathlib.Path("a") / "b", "gs://a/b"],
            ["caf\udce9", "caf\udce9/a", pathlib.Path("caf\udce9")],
        ),
        (
            "literal_path",
            rules.LITERAL_PATH,
            ["", "lr=1e-3, {é}", pathlib.Path("a") / "b", "gs://a/b"],
            ["a[1", "a]", "a*/b", pathlib.Path("a?"), "a\\b", "gs://[a]/b"],
        ),
    )
    def test_holds_up_to_its_borders_and_not_for_nan(self, rule, kept, broken):
        for value in kept:
            self.assertIs(rule.holds(value), True, value)
        for value in broken:
            self.assertIs(rule.holds(value), False, value)

    def test_the_folders_above_a_relative_path_count(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        for rule, name in (
            (rules.UTF8_PATH, "caf\udce9"),
            (rules.LITERAL_PATH, "a[1]"),
        ):
            folder = pathlib.Path(self.create_tempdir().full_path, name)
            folder.mkdir()
            os.chdir(folder)
            self.assertFalse(rule.holds("b"))
            self.assertTrue(rule.holds(before))
            self.assertTrue(rule.holds(""))

    def test_a_seed_fits_into_an_int32(self):
        for value, holds in (
            (0, True),
            (2**31 - 1, True),
            (2**31, False),
            (-1, False),
        ):
            self.assertEqual(
                all(rule.holds(value) for rule in rules.SEED), holds, value
            )

    @parameterized.parameters(
        (rules.POSITIVE, "positive"),
        (rules.NOT_NEGATIVE, "0 or more"),
        (rules.SHARE, "in [0, 1]"),
        (rules.at_least(3), "at least 3"),
        (rules.below(1), "below 1"),
        (rules.below(2**31, "2**31"), "below 2**31"),
        (rules.between(0, 10), "from 0 to 10"),
        (rules.at_most(5), "at most 5"),
        (rules.UTF8_PATH, "a path in UTF-8 without zero bytes"),
    )
    def test_its_text_ends_the_sentence(self, rule, text):
        self.assertEqual(rule.text, text)


@dataclasses.dataclass(frozen=True)
class _Config:
    """Fields of every kind, the first of which has no default."""

    size: int = rules.field(dataclasses.MISSING, rules.POSITIVE)
    share: float = rules.field(0.5, rules.NOT_NEGATIVE, rules.below(1))
    color: Literal["red", "green"] = "red"
    shape: str = rules.field("round", choices=("round", "square"))
    label: str = rules.field("", before="none")
    plain: int = 3

    def __post_init__(self) -> None:
        rules.check(self)


def _field(name: str) -> dataclasses.Field:
    (found,) = (f for f in dataclasses.fields(_Config) if f.name == name)
    return found


class CheckTest(parameterized.TestCase):
    def _message(self, **values) -> str:
        with self.assertRaises(errors.InputError) as caught:
            _Config(**({"size": 1} | values))
        return str(caught.exception)

    def test_good_values_are_taken_and_defaults_are_kept(self):
        found = _Config(size=2, shape="square", label="any", plain=-1)

        self.assertEqual(found.size, 2)
        self.assertEqual(found.share, 0.5)
        self.assertEqual(found.color, "red")
        self.assertEqual(found.shape, "square")
        with self.assertRaises(TypeError):
            _Config()

    @parameterized.parameters(
        ({"size": 0}, "size is 0; it must be positive"),
        ({"size": math.nan}, "size is nan; it must be positive"),
        ({"share": -0.25}, "share is -0.25; it must be 0 or more"),
        ({"share": 1}, "share is 1; it must be below 1"),
        ({"share": math.inf}, "share is inf; it must be 0 or more"),
        (
            {"color": "blue"},
            "color is 'blue'; it must be one of red, green",
        ),
        (
            {"shape": "Round"},
            "shape is 'Round'; it must be one of round, square",
        ),
        ({"shape": ""}, "shape is ''; it must be one of round, square"),
    )
    def test_the_message_names_field_value_and_rule(self, values, message):
        self.assertEqual(self._message(**values), message)

    def test_a_number_that_has_rules_fits_into_an_int32(self):
        self.assertEqual(_Config(size=2**31 - 1).size, 2**31 - 1)
        self.assertEqual(_Config(size=1, plain=10**400).plain, 10**400)
        for value in (2**31, 1e300):
            self.assertEqual(
                self._message(size=value),
                f"size is {value}; it must be at most 2147483647",
            )

    def test_a_value_of_any_length_is_shown_in_a_short_line(self):
        self.assertRegex(
            self._message(size=10**400),
            r"^size is 1000+\.\.\.0+; it must be at most 2147483647$",
        )
        nested = []
        for _ in range(100_000):
            nested = [nested]
        for value in (10**4000, nested, "x" * 10_000, [1] * 10_000):
            self.assertLess(len(errors.shown(value)), 1001)

    def test_fields_are_checked_in_their_order(self):
        wrong = {"size": -1, "share": 2, "color": "blue", "shape": "x"}
        found = []
        while wrong:
            found.append(self._message(**wrong).split()[0])
            del wrong[found[-1]]
        self.assertEqual(found, ["size", "share", "color", "shape"])

    def test_a_fields_rules_are_checked_in_their_order(self):
        @dataclasses.dataclass
        class Impossible:
            value: float = rules.field(
                0, rules.at_least(5), rules.below(-5), rules.POSITIVE
            )

        for value, text in ((0, "at least 5"), (9, "below -5")):
            with self.assertRaisesRegex(
                errors.InputError, f"value is {value}; it must be {text}"
            ):
                rules.check(Impossible(value))

    def test_choices_are_the_literals_or_the_fields_own_or_none(self):
        self.assertEqual(rules.choices(_field("color")), ("red", "green"))
        self.assertEqual(rules.choices(_field("shape")), ("round", "square"))
        for name in ("size", "label", "plain"):
            self.assertEqual(rules.choices(_field(name)), ())

    def test_further_metadata_is_kept(self):
        self.assertEqual(_field("label").metadata["before"], "none")
        self.assertNotIn("before", _field("share").metadata)
        self.assertEqual(
            [rule.text for rule in _field("share").metadata["rules"]],
            ["0 or more", "below 1"],
        )


if __name__ == "__main__":
    absltest.main()
