"""A conversion is what its flags say, one way or the other."""

import pathlib
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import convert, errors
from tf_autoformer.official import conversion
from tf_autoformer.space import published, search_space


def parse(*arguments: str) -> convert.Options:
    return options.parse(convert.Options, "--workdir=runs", *arguments)


class OptionsTest(parameterized.TestCase):
    def test_what_is_not_given_is_left_to_guess(self):
        self.assertEqual(
            parse("--official_checkpoint=~/tiny.pth"),
            convert.Options(
                workdir=pathlib.Path("runs"),
                official_checkpoint=pathlib.Path.home() / "tiny.pth",
                export_official=None,
                dataset=None,
                image_folder=None,
                search_space=None,
                pooling=None,
                image_size=None,
                architecture=None,
            ),
        )

    def test_a_conversion_is_what_the_flags_say(self):
        self.assertEqual(
            parse(
                "--official_checkpoint=tiny.pth",
                "--dataset=digits",
                "--search_space=tiny",
                "--pooling=cls",
                "--image_size=224x320",
            ),
            convert.Options(
                workdir=pathlib.Path("runs"),
                official_checkpoint=pathlib.Path("tiny.pth"),
                dataset="digits",
                search_space=search_space.SEARCH_SPACES["tiny"],
                pooling="cls",
                image_size=(224, 320),
            ),
        )

    def test_an_official_checkpoint_may_be_made_for_an_architecture(self):
        self.assertEqual(
            parse(
                "--export_official=out/tiny.pth", "--architecture=autoformer_t"
            ),
            convert.Options(
                workdir=pathlib.Path("runs"),
                export_official=pathlib.Path("out/tiny.pth"),
                architecture=published.load("autoformer_t"),
            ),
        )

    @parameterized.parameters(
        (), ("--official_checkpoint=a.pth", "--export_official=b.pth")
    )
    def test_a_conversion_goes_one_way(self, *arguments):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, "official_checkpoint, export_official"
        ):
            parse(*arguments)

    @parameterized.parameters(
        ("--official_checkpoint=a", "--architecture=x", "architecture is x"),
        ("--export_official=a", "--dataset=digits", "dataset is digits"),
        ("--export_official=a", "--image_folder=gs://x", "image_folder is gs"),
        ("--export_official=a", "--search_space=huge", "search_space is huge"),
        ("--export_official=a", "--pooling=cls", "pooling is cls"),
        ("--export_official=a", "--image_size=7x8", r"image_size is \(7, 8\)"),
    )
    def test_a_flag_of_the_other_way_is_refused_before_its_value(
        self, direction, flag, message
    ):
        with self.assertRaisesRegex(
            errors.InputError, f"{message}.*; it is of no use in this direction"
        ):
            parse(direction, flag)


class MainTest(parameterized.TestCase):
    @parameterized.parameters(
        ("--dataset=digits", "digits"),
        ("--image_folder=/images", "folder:/images"),
    )
    def test_what_the_checkpoint_does_not_tell_is_what_the_options_say(
        self, images, dataset
    ):
        found = parse(
            "--official_checkpoint=tiny.pth",
            images,
            "--max_image_pixels=9",
            "--search_space=tiny",
            "--pooling=cls",
            "--image_size=224x320",
        )
        with mock.patch.object(conversion, "from_official") as read:
            convert.main(found)
        ((path, workdir, untold), _) = read.call_args
        self.assertEqual(path, pathlib.Path("tiny.pth"))
        self.assertEqual(workdir.root, pathlib.Path("runs"))
        self.assertEqual(
            untold,
            conversion.Untold(
                dataset=dataset,
                max_image_pixels=9,
                space=search_space.SEARCH_SPACES["tiny"],
                pooling="cls",
                image_size=(224, 320),
            ),
        )

    def test_what_is_not_given_is_guessed(self):
        with mock.patch.object(conversion, "from_official") as read:
            convert.main(parse("--official_checkpoint=tiny.pth"))
        self.assertEqual(read.call_args.args[2], conversion.Untold())

    def test_the_other_way_it_makes_a_checkpoint(self):
        found = parse("--export_official=a.pth", "--architecture=autoformer_t")
        with mock.patch.object(conversion, "to_official") as write:
            convert.main(found)
        ((workdir, path, architecture), _) = write.call_args
        self.assertEqual(workdir.root, pathlib.Path("runs"))
        self.assertEqual(path, pathlib.Path("a.pth"))
        self.assertEqual(architecture, published.load("autoformer_t"))


if __name__ == "__main__":
    absltest.main()
