"""Fields of a dataclass become flags, and flags its values again."""

import dataclasses
from typing import Literal

from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from tf_autoformer import flag_fields
from tf_autoformer.space import model as model_lib


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A dish.

    Attributes:
      servings: people that it is for.
      liters: of water;
        as a rule.
      name: of the dish: as served.
      heat: of the oven.
      image_size: of its photograph.
    """

    servings: int
    liters: float = 0.5
    name: str = "soup"
    heat: Literal["low", "high"] = "low"
    image_size: model_lib.ImageSize = 64


FOUND = Recipe(
    servings=9, liters=2.0, name="stew", heat="high", image_size=(8, 12)
)


class FlagFieldsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        # Flags are global: all that a test defines goes when it ends.
        self.enter_context(flagsaver.flagsaver())
        flag_fields.define(Recipe, given=("servings",))

    def _read(self, *arguments: str, found: Recipe | None = None) -> Recipe:
        flags.FLAGS(["cook", *arguments])
        return flag_fields.read(Recipe, found, servings=4)

    def test_a_flag_has_its_fields_help_and_default(self):
        for name, default, text in (
            ("liters", 0.5, "Of water; as a rule."),
            ("name", "soup", "Of the dish: as served."),
            ("heat", "low", "<low|high>: Of the oven."),
            ("image_size", 64, "Of its photograph."),
        ):
            flag = flags.FLAGS[name]
            self.assertEqual((flag.default, flag.help), (default, text))
        self.assertEqual(
            flags.FLAGS["heat"].parser.enum_values, ["low", "high"]
        )
        self.assertNotIn("servings", flags.FLAGS)

    def test_flags_become_the_dataclass(self):
        self.assertEqual(self._read(), Recipe(servings=4))
        self.assertEqual(
            self._read(
                "--liters=3", "--name=tea", "--heat=high", "--image_size=8x16"
            ),
            Recipe(4, 3.0, "tea", "high", (8, 16)),
        )

    def test_a_flag_that_is_not_given_has_the_value_found(self):
        expected = dataclasses.replace(FOUND, servings=4)
        self.assertEqual(self._read(found=FOUND), expected)

    def test_a_flag_that_is_given_overrides_the_value_found(self):
        # Also where it says the default.
        self.assertEqual(
            self._read("--heat=low", "--liters=1", found=FOUND),
            Recipe(4, 1.0, "stew", "low", (8, 12)),
        )

    def test_a_flag_file_gives_flags(self):
        file = self.create_tempfile(content="--heat=low\n").full_path
        self.assertEqual(
            self._read(f"--flagfile={file}", found=FOUND),
            Recipe(4, 2.0, "stew", "low", (8, 12)),
        )


class ImageSizeTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.enter_context(flagsaver.flagsaver())
        flag_fields.define_image_size(None, "In pixels.")

    @parameterized.parameters(
        ([], None),
        (["--image_size=224"], 224),
        (["--image_size=224x320"], (224, 320)),
        (["--image_size=320x224"], (320, 224)),
        (["--image_size=224x224"], 224),
    )
    def test_it_is_a_square_or_height_by_width(self, arguments, size):
        flags.FLAGS(["binary", *arguments])
        self.assertEqual(flags.FLAGS.image_size, size)

    @parameterized.parameters(
        "axb", "224x", "x224", "2.5", "-8", "8x8x8", "", "224,320", "8 x 8"
    )
    def test_another_text_is_refused(self, text):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError,
            f"image_size={text}: must be like 224 or, height first, 224x320",
        ):
            flags.FLAGS(["binary", f"--image_size={text}"])


if __name__ == "__main__":
    absltest.main()
