"""The texts of flags become paths, architectures, spaces and sizes."""

import dataclasses
import json
import pathlib
from typing import Any

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import errors, rules
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import published, search_space

SearchSpace = search_space.SearchSpace


@dataclasses.dataclass(frozen=True)
class Files:
    """Files.

    Attributes:
      path: A path.
      picture: A picture.
      architecture: A subnet.
      search_space: Subnets.
    """

    path: pathlib.Path | None = None
    picture: pathlib.Path | None = rules.field(None, suffix=".png")
    architecture: architecture_lib.Architecture | None = None
    search_space: SearchSpace | None = None


class FilesTest(parameterized.TestCase):
    def _write_json(self, value: Any) -> str:
        """The path of a new file."""
        file = self.create_tempfile(content=json.dumps(value))
        path = pathlib.Path(file.full_path)
        return str(path.rename(path.with_suffix(".json")))

    def test_what_is_not_given_is_none(self):
        self.assertEqual(options.parse(Files), Files())

    def test_a_path_may_be_of_the_home_folder(self):
        home = pathlib.Path.home()
        self.assertEqual(
            options.parse(Files, "--path=~/a", "--picture=~/a.PNG"),
            Files(path=home / "a", picture=home / "a.PNG"),
        )

    def test_a_file_of_another_suffix_is_an_input_error_in_the_users_words(
        self,
    ):
        with self.assertRaisesRegex(
            errors.InputError, "^picture is '~/x.jpg'; it must be a .png file$"
        ):
            options.parse(Files, "--picture=~/x.jpg")

    @parameterized.parameters(*published.NAMES)
    def test_an_architecture_may_be_a_published_name(self, name):
        self.assertEqual(
            options.parse(Files, f"--architecture={name}").architecture,
            published.load(name),
        )

    def test_an_architecture_may_be_a_file(self):
        subnet = architecture_lib.Architecture(16, 1, (2,), (0.5,))
        path = self._write_json(subnet.to_dict())
        self.assertEqual(
            options.parse(Files, f"--architecture={path}").architecture, subnet
        )

    def test_an_architecture_that_is_neither_is_an_input_error(self):
        with self.assertRaisesRegex(
            errors.InputError,
            "^architecture is 'autoformer_x'; it must be a JSON file or one of "
            "autoformer_b, autoformer_s, autoformer_t$",
        ):
            options.parse(Files, "--architecture=autoformer_x")

    @parameterized.parameters(*search_space.SEARCH_SPACES)
    def test_a_search_space_may_be_a_name(self, name):
        self.assertIs(
            options.parse(Files, f"--search_space={name}").search_space,
            search_space.SEARCH_SPACES[name],
        )

    def test_a_search_space_may_be_a_file(self):
        values = {
            "embed_dims": [8, 16],
            "depths": [1, 2],
            "num_heads": [1, 2],
            "mlp_ratios": [0.5, 2],
            "allocation": {
                "embed_dim": 24,
                "depth": 3,
                "num_heads": 2,
                "mlp_ratio": 2,
            },
        }
        path = self._write_json(values)
        self.assertEqual(
            options.parse(Files, f"--search_space={path}").search_space,
            SearchSpace(
                embed_dims=(8, 16),
                depths=(1, 2),
                num_heads=(1, 2),
                mlp_ratios=(0.5, 2.0),
                allocation=search_space.Allocation(24, 3, 2, 2.0),
            ),
        )

    def test_an_unknown_search_space_is_an_input_error(self):
        with self.assertRaisesRegex(
            errors.InputError,
            "^search_space is 'huge'; it must be one of tiny, small, base, "
            "digits or a .json file$",
        ):
            options.parse(Files, "--search_space=huge")

    def test_a_file_that_is_no_search_space_is_named(self):
        path = self._write_json({"embed_dims": [8]})
        with self.assertRaisesRegex(errors.InputError, f"{path}: a search spa"):
            options.parse(Files, f"--search_space={path}")


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
      image_size: Its size.
    """

    image_size: model_lib.ImageSize | None = None


class ImageSizeTest(parameterized.TestCase):
    @parameterized.parameters(
        ([], None),
        (["--image_size=224"], 224),
        (["--image_size=224x320"], (224, 320)),
        (["--image_size=320x224"], (320, 224)),
        (["--image_size=224x224"], 224),
    )
    def test_it_is_a_square_or_height_by_width(self, arguments, size):
        self.assertEqual(options.parse(Photo, *arguments), Photo(size))

    @parameterized.parameters(
        "axb", "224x", "x224", "2.5", "-8", "8x8x8", "", "224,320", "8 x 8"
    )
    def test_another_text_is_refused(self, text):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError,
            f"image_size={text}: must be like 224 or, height first, 224x320",
        ):
            options.parse(Photo, f"--image_size={text}")


if __name__ == "__main__":
    absltest.main()
