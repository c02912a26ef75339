"""Flags of all binaries: each explained, and the shared ones checked."""

import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import (
    convert,
    describe,
    errors,
    evaluate,
    export,
    report,
    search,
    train,
)
from tf_autoformer.data.sources import names

# The binaries, and the flags that each needs besides the working folder.
BINARIES = {
    train: (),
    search: (),
    export: ("--architecture=autoformer_t", "--export_dir=x"),
    report: (),
    convert: ("--official_checkpoint=x",),
    evaluate: ("--architecture=autoformer_t",),
    describe: ("--architecture=autoformer_t",),
}
WITH_DATA = tuple(BINARIES.keys() - {convert, describe})
WITH_IMAGES = (train, convert, evaluate)
WITH_SEARCH = (search, report)


def parse(binary, *arguments: str):
    return options.parse(binary.Options, *BINARIES[binary], *arguments)


class FlagsTest(parameterized.TestCase):
    @parameterized.parameters(*BINARIES)
    def test_every_flag_has_a_help_text(self, binary):
        defined = options.defined(binary.Options)
        self.assertIn("workdir", defined)
        for name, flag in defined.items():
            self.assertRegex(flag.help, r"^\S.*\S$", name)
            self.assertNotIn("\n", flag.help, name)

    @parameterized.parameters(*(BINARIES.keys() - {describe}))
    def test_the_working_folder_is_required(self, binary):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, "workdir"):
            parse(binary)

    @parameterized.parameters(*BINARIES)
    def test_the_working_folder_may_be_in_the_home_folder(self, binary):
        self.assertEqual(
            parse(binary, "--workdir=~/runs").workdir,
            pathlib.Path.home() / "runs",
        )

    @parameterized.parameters(*WITH_DATA)
    def test_the_data_may_be_in_a_bucket(self, binary):
        required = "--workdir=x"
        self.assertIsNone(parse(binary, required).data_dir)
        found = parse(binary, required, "--data_dir=gs://bucket/data")
        self.assertEqual(found.data_dir, "gs://bucket/data")


class PathsTest(parameterized.TestCase):
    def _check(self, binary, flag: str, path: str, rule: str):
        arguments = ["--workdir=x", f"--{flag}={path}"]
        with self.assertRaises(errors.InputError) as caught:
            parse(binary, *arguments)
        text = f"{flag} is {path!r}; it must be {rule}"
        self.assertStartsWith(str(caught.exception), text)

    @parameterized.parameters(
        *((binary, "workdir") for binary in BINARIES.keys() - {describe}),
        (export, "export_dir"),
        (train, "teacher"),
    )
    def test_what_tensorflow_reads_by_patterns_has_none(self, binary, flag):
        self._check(binary, flag, "runs/lr=[1]", "a path without [ ] * ?")

    @parameterized.parameters(
        *((binary, "workdir") for binary in BINARIES),
        *((binary, "data_dir") for binary in WITH_DATA),
        *((binary, "image_folder") for binary in WITH_IMAGES),
        (train, "search_space"),
        (train, "teacher"),
        (convert, "official_checkpoint"),
        (evaluate, "architecture"),
        (export, "export_dir"),
        (describe, "picture"),
    )
    def test_every_path_is_utf8(self, binary, flag):
        for path in ("caf\udce9.png", "caf\0.png"):
            self._check(binary, flag, path, "a path in UTF-8")


class ImagesTest(parameterized.TestCase):
    @parameterized.parameters(*WITH_IMAGES)
    def test_the_help_names_every_data_set_that_is_known(self, binary):
        text = options.defined(binary.Options)["dataset"].help
        self.assertIn(", ".join(names.NAMES), text)

    @parameterized.parameters(*WITH_IMAGES)
    def test_neither_is_given(self, binary):
        self.assertIsNone(parse(binary, "--workdir=x").dataset_name)

    @parameterized.parameters(*WITH_IMAGES)
    def test_a_data_set_may_be_named(self, binary):
        found = parse(binary, "--workdir=x", "--dataset=digits")
        self.assertEqual(found.dataset_name, "digits")

    @parameterized.parameters(*WITH_IMAGES)
    def test_a_folder_of_images_takes_the_place_of_a_data_set(self, binary):
        for given, folder in (
            ("~/images", pathlib.Path.home() / "images"),
            ("images/", pathlib.Path.cwd() / "images"),
            ("", pathlib.Path.cwd()),
        ):
            found = parse(binary, "--workdir=x", f"--image_folder={given}")
            self.assertEqual(found.dataset_name, f"folder:{folder}")

    @parameterized.product(
        binary=WITH_IMAGES,
        case=(
            (
                ["--image_folder=x", "--dataset=digits"],
                "^image_folder is 'x' and dataset is 'digits'; only one of "
                "them can be given$",
            ),
            (
                ["--image_folder=gs://x"],
                "^image_folder is 'gs://x'; it must be a folder of this "
                "machine$",
            ),
        ),
    )
    def test_a_folder_that_cannot_be_is_an_input_error(self, binary, case):
        arguments, message = case
        with self.assertRaisesRegex(errors.InputError, message):
            parse(binary, "--workdir=x", *arguments)

    @parameterized.product(
        binary=WITH_IMAGES,
        case=(
            ("0", "positive"),
            ("-1", "positive"),
            ("536870912", "at most 536870911"),
            (str(10**400), "at most 536870911"),
        ),
    )
    def test_a_limit_of_pixels_that_cannot_be_is_an_input_error(
        self, binary, case
    ):
        value, rule = case
        with self.assertRaisesRegex(
            errors.InputError,
            f"^max_image_pixels is {value[:1]}.*; it must be {rule}$",
        ):
            parse(binary, "--workdir=x", f"--max_image_pixels={value}")


class SearchTest(parameterized.TestCase):
    @parameterized.parameters(*WITH_SEARCH)
    def test_a_search_has_a_name_and_its_export_a_version(self, binary):
        found = parse(binary, "--workdir=x")
        self.assertEqual((found.name, found.version), ("default", 1))
        found = parse(binary, "--workdir=x", "--name=a", "--version=3")
        self.assertEqual((found.name, found.version), ("a", 3))

    @parameterized.parameters("..", "a/b", "", ".", "a b", "/a")
    def test_a_name_that_is_no_plain_folder_name_is_refused(self, name):
        for binary in WITH_SEARCH:
            with self.assertRaisesRegex(
                errors.InputError,
                f"^name is '{name}'; it must be a plain folder name$",
            ):
                parse(binary, "--workdir=x", f"--name={name}")

    @parameterized.parameters("default", "under_6M", "2024-05.a")
    def test_a_plain_folder_name_is_kept(self, name):
        for binary in WITH_SEARCH:
            found = parse(binary, "--workdir=x", f"--name={name}")
            self.assertEqual(found.name, name)

    @parameterized.parameters(*WITH_SEARCH)
    def test_a_version_below_one_is_refused(self, binary):
        with self.assertRaisesRegex(
            errors.InputError, "^version is 0; it must be at least 1$"
        ):
            parse(binary, "--workdir=x", "--version=0")


if __name__ == "__main__":
    absltest.main()
