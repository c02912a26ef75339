"""Fields of a dataclass become flags, and flags its values again."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import errors, flag_fields, rules
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, cost
from tf_autoformer.space import model as model_lib


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A dish.

    Attributes:
      servings: People that it is for.
      liters: Water;
        as a rule.
      name: Name of the dish: as served.
      heat: Heat of the oven.
      image_size: Size of its photograph.
      course: When it is served.
      spices: Spices to add.
    """

    servings: int
    liters: float = 0.5
    name: str = "soup"
    heat: Literal["low", "high"] = "low"
    image_size: model_lib.ImageSize = 64
    course: str = rules.field("main", choices=("starter", "main"))
    spices: tuple[str, ...] = rules.field(("salt",), values="salt or pepper")


class FieldsTest(parameterized.TestCase):
    def test_a_flag_has_its_fields_help_and_default(self):
        defined = options.defined(Recipe)
        self.assertLen(defined, 7)
        for name, default, text in (
            ("servings", None, "People that it is for."),
            ("liters", 0.5, "Water; as a rule."),
            ("name", "soup", "Name of the dish: as served."),
            ("heat", "low", "<low|high>: Heat of the oven."),
            ("image_size", 64, "Size of its photograph."),
            ("course", "main", "<starter|main>: When it is served."),
            (
                "spices",
                ["salt"],
                "Spices to add. Values: salt or pepper.",
            ),
        ):
            flag = defined[name]
            self.assertEqual((flag.default, flag.help), (default, text))
        for name, choices in (
            ("heat", ["low", "high"]),
            ("course", ["starter", "main"]),
        ):
            self.assertEqual(list(defined[name].parser.enum_values), choices)

    def test_flags_become_the_dataclass(self):
        self.assertEqual(
            options.parse(Recipe, "--servings=4"), Recipe(servings=4)
        )
        self.assertEqual(
            options.parse(
                Recipe,
                "--servings=4",
                "--liters=3",
                "--name=tea",
                "--heat=high",
                "--image_size=8x16",
                "--course=starter",
                "--spices=sugar,mint",
            ),
            Recipe(
                4, 3.0, "tea", "high", (8, 16), "starter", ("sugar", "mint")
            ),
        )

    def test_a_flag_file_gives_flags(self):
        file = self.create_tempfile(content="--heat=high\n").full_path
        self.assertEqual(
            options.parse(Recipe, "--servings=4", f"--flagfile={file}"),
            Recipe(4, heat="high"),
        )

    def test_a_field_without_default_must_be_given(self):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, "--servings must have a value"
        ):
            options.parse(Recipe)

    @parameterized.parameters(
        "servings=x", "liters=x", "heat=medium", "course=dessert"
    )
    def test_a_value_of_another_type_is_refused_by_the_parser(self, flag):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, flag):
            options.parse(Recipe, "--servings=4", f"--{flag}")

    def test_a_rule_that_is_broken_is_an_input_error(self):
        @dataclasses.dataclass(frozen=True)
        class Kept:
            """Kept.

            Attributes:
              number: A number.
              text: A text.
            """

            number: int = rules.field(1, rules.at_least(1))
            text: str | None = rules.field(
                None, rules.Rule("short", lambda text: len(text) < 3)
            )

            def __post_init__(self):
                rules.check(self)

        self.assertEqual(options.parse(Kept), Kept(1, None))
        for argument, message in (
            ("--number=0", "number is 0; it must be at least 1"),
            ("--text=long", "text is 'long'; it must be short"),
        ):
            with self.assertRaisesRegex(errors.InputError, f"^{message}$"):
                options.parse(Kept, argument)

    def test_bounds_are_applied_by_the_parser(self):
        @dataclasses.dataclass(frozen=True)
        class Bounded:
            """Bounded.

            Attributes:
              number: A number.
            """

            number: int = rules.field(2, lower_bound=1, upper_bound=3)

        self.assertEqual(options.parse(Bounded, "--number=3").number, 3)
        for number in (0, 4):
            with self.assertRaisesRegex(
                flags.IllegalFlagValueError, f"number={number}"
            ):
                options.parse(Bounded, f"--number={number}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
      table: Number of the table.
      guests: Number of guests.
    """

    table: int
    guests: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order(Table):
    """An order, with other words for the guests.

    Attributes:
      guests: People at the table.
    """

    recipe: Recipe
    changes: Mapping[str, Any] = flag_fields.given(
        model_lib.ModelConfig(num_classes=5), without=("channels", "image_size")
    )


class GroupsTest(absltest.TestCase):
    def test_a_class_has_the_flags_and_texts_of_its_base(self):
        defined = options.defined(Order)
        self.assertEqual(defined["table"].help, "Number of the table.")
        self.assertEqual(defined["guests"].help, "People at the table.")

    def test_a_nested_dataclass_is_its_flags(self):
        order = options.parse(Order, "--table=1", "--servings=2", "--name=tea")
        self.assertEqual(order.recipe, Recipe(2, name="tea"))

    def test_given_flags_alone_are_in_the_mapping(self):
        required = ("--table=1", "--servings=2")
        self.assertEqual(options.parse(Order, *required).changes, {})
        # Also where a flag says the default.
        order = options.parse(
            Order, *required, "--head_dim=64", "--position=none"
        )
        self.assertEqual(order.changes, {"head_dim": 64, "position": "none"})

    def test_given_flags_have_the_defaults_of_the_configuration(self):
        defined = options.defined(Order)
        self.assertEqual(defined["num_classes"].default, 5)
        self.assertEqual(defined["patch_size"].default, 16)
        self.assertEqual(
            defined["patch_size"].help, "Height and width of a patch in pixels."
        )
        self.assertNotIn("channels", defined)

    def test_ranges_are_of_the_bounded_costs_alone(self):
        @dataclasses.dataclass(frozen=True)
        class Bounds:
            """Bounds."""

            costs: Mapping[str, constraint.Range] = flag_fields.ranges(
                [
                    cost.Cost(name, unit, cost.params, unit)
                    for name, unit in (
                        ("time", "seconds"),
                        ("price", "cents"),
                        ("weight", "grams"),
                    )
                ]
            )

        self.assertEqual(options.parse(Bounds).costs, {})
        self.assertEqual(
            options.parse(
                Bounds, "--max_time=6e6", "--min_price=1", "--max_price=2"
            ).costs,
            {
                "time": constraint.Range(None, 6e6),
                "price": constraint.Range(1, 2),
            },
        )
        for arguments, message in (
            (["--max_time=0"], "time: maximum is 0; it must be positive"),
            (["--min_time=2", "--max_time=1"], "time: .* must not exceed"),
        ):
            with self.assertRaisesRegex(errors.InputError, message):
                options.parse(Bounds, *arguments)


@dataclasses.dataclass(frozen=True)
class Journey:
    """A journey, which goes one way.

    Attributes:
      up: Goal above.
      down: Goal below.
      rope: Rope for the way up.
      sledge: Sledge for the way down.
    """

    up: str | None = None
    down: str | None = None
    rope: int = 0
    sledge: architecture_lib.Architecture | None = None

    DIRECTIONS: ClassVar = {"up": ("rope",), "down": ("sledge",)}


class DirectionsTest(parameterized.TestCase):
    def test_flags_of_a_direction_are_read(self):
        self.assertEqual(
            options.parse(Journey, "--up=peak", "--rope=3"),
            Journey(up="peak", rope=3),
        )

    @parameterized.parameters(
        (["--up=peak", "--sledge=x"], "sledge is x; it is of no use in this d"),
        (["--down=sea", "--rope=0"], "rope is 0; it is of no use in this dire"),
    )
    def test_a_flag_of_the_other_direction_is_refused_whatever_its_value(
        self, arguments, message
    ):
        with self.assertRaisesRegex(errors.InputError, message):
            options.parse(Journey, *arguments)

    @parameterized.parameters((), ("--up=peak", "--down=sea"))
    def test_exactly_one_direction_must_be_given(self, *arguments):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, r"Exactly one of \(up, down\)"
        ):
            options.parse(Journey, *arguments)


if __name__ == "__main__":
    absltest.main()
