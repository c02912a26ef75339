"""Values of parsed JSON are taken or refused by field, value and rule."""

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import parsing

NO_INTEGERS = (0, -3, 1.0, 1.5, True, "3", None, [3], {})
NO_NUMBERS = (
    0,
    -0.5,
    True,
    "3",
    None,
    [3],
    {},
    float("nan"),
    float("inf"),
    float("-inf"),
)


class ParsingTest(parameterized.TestCase):
    def test_good_values_are_taken(self):
        self.assertEqual(parsing.integer("depth", 3), 3)
        self.assertEqual(parsing.integers("depths", [3, 1]), (3, 1))
        self.assertEqual(parsing.integers("depths", []), ())
        for value in (3, 3.5):
            found = parsing.number("ratio", value)
            self.assertEqual(found, value)
            self.assertIsInstance(found, float)
        found = parsing.numbers("ratios", [3, 0.5])
        self.assertEqual(found, (3.0, 0.5))
        self.assertEqual(list(map(type, found)), [float, float])

    def test_what_is_no_positive_whole_number_is_refused(self):
        rule = "it must be a positive whole number"
        for value in NO_INTEGERS:
            with self.assertRaises(errors.InputError) as caught:
                parsing.integer("depth", value)
            self.assertEqual(
                str(caught.exception), f"depth is {value!r}; {rule}"
            )
            with self.assertRaises(errors.InputError) as caught:
                parsing.integers("depths", [1, value])
            self.assertEqual(
                str(caught.exception), f"depths[1] is {value!r}; {rule}"
            )

    def test_a_whole_number_that_is_too_large_is_refused(self):
        self.assertEqual(parsing.integer("depth", 100_000), 100_000)
        for value in (100_001, 10**400):
            with self.assertRaisesRegex(
                errors.InputError, "^depth is 10.{1,50}; .* at most 100000$"
            ):
                parsing.integer("depth", value)

    def test_what_is_no_positive_number_is_refused(self):
        rule = "it must be a positive number below 1000"
        for value in NO_NUMBERS:
            with self.assertRaises(errors.InputError) as caught:
                parsing.number("ratio", value)
            self.assertEqual(
                str(caught.exception), f"ratio is {value!r}; {rule}"
            )
            with self.assertRaises(errors.InputError) as caught:
                parsing.numbers("ratios", [value, 1])
            self.assertEqual(
                str(caught.exception), f"ratios[0] is {value!r}; {rule}"
            )

    @parameterized.parameters(3, "12", None, True, ({"0": 1},))
    def test_what_is_no_list_is_refused(self, values):
        for function in (parsing.integers, parsing.numbers):
            with self.assertRaises(errors.InputError) as caught:
                function("depths", values)
            self.assertEqual(
                str(caught.exception),
                f"depths is {values!r}; it must be a list",
            )

    def test_a_tuple_of_any_length_is_a_list_of_its_type(self):
        for value in ([], ["a"], ["a", "b", "c"]):
            found = parsing.typed("names", value, tuple[str, ...])
            self.assertEqual(found, tuple(value))
        for value in ("ab", ["a", 3], None, {"a": "b"}):
            with self.assertRaisesRegex(errors.InputError, "^names is "):
                parsing.typed("names", value, tuple[str, ...])

    def test_fields_are_all_that_are_required_and_perhaps_optional_ones(self):
        for values in ({"a": 1, "b": None}, {"b": 2, "c": 3, "a": 1}):
            found = parsing.fields("a thing", values, ["a", "b"], ["c"])
            self.assertEqual(found, values)

    @parameterized.parameters(
        ({"a": 1}, "missing b"),
        ({}, "missing a, b"),
        ({"a": 1, "b": 2, "d": 3}, "unknown d"),
        ({"a": 1, "c": 2, "d": 3}, "missing b; unknown d"),
        (["a", "b"], "found list"),
        ("ab", "found str"),
        (None, "found NoneType"),
    )
    def test_a_missing_or_unknown_field_is_refused(self, values, found):
        with self.assertRaises(errors.InputError) as caught:
            parsing.fields("a thing", values, ["a", "b"], ["c"])
        self.assertEqual(
            str(caught.exception), f"a thing has the fields a, b; {found}"
        )


if __name__ == "__main__":
    absltest.main()
