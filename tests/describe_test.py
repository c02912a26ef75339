"""A description is of the network of the flags, or else of the folder's."""

import pathlib

from absl.testing import absltest

from tests.helpers import options
from tf_autoformer import describe, errors
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import published, search_space

EXPERIMENT = experiment_lib.Experiment(
    dataset="digits",
    model=model_lib.ModelConfig(
        num_classes=10,
        image_size=(8, 12),
        patch_size=4,
        head_dim=8,
        pooling="cls",
        position="relative",
    ),
    space=search_space.SEARCH_SPACES["digits"],
    training=None,
)


def parse(*arguments: str) -> describe.Options:
    return options.parse(
        describe.Options, "--architecture=autoformer_s", *arguments
    )


class OptionsTest(absltest.TestCase):
    def test_no_folder_is_needed(self):
        found = parse()
        self.assertEqual(found.architecture, published.load("autoformer_s"))
        self.assertIsNone(found.picture)
        self.assertEqual(
            describe.network(found),
            (model_lib.ModelConfig(num_classes=1000), None),
        )

    def test_the_network_is_what_the_flags_say(self):
        found = parse(
            "--search_space=small",
            "--num_classes=10",
            "--image_size=224x320",
            "--picture=~/picture.png",
        )
        self.assertEqual(
            describe.network(found),
            (
                model_lib.ModelConfig(num_classes=10, image_size=(224, 320)),
                search_space.SEARCH_SPACES["small"],
            ),
        )
        self.assertEqual(found.picture, pathlib.Path.home() / "picture.png")

    def test_a_picture_of_another_kind_is_refused(self):
        with self.assertRaisesRegex(
            errors.InputError, "^picture is 'x.jpg'; it must be a .png file$"
        ):
            parse("--picture=x.jpg")

    def test_a_field_that_changes_no_cost_is_no_flag(self):
        defined = options.defined(describe.Options)
        for name in ("channels", "qkv_bias_layout", "drop_path", "init_stddev"):
            self.assertNotIn(name, defined)
        self.assertEqual(defined["num_classes"].default, 1000)


class WorkdirTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = pathlib.Path(self.create_tempdir().full_path) / "run"

    def test_the_network_and_the_space_are_the_folders(self):
        workdir_lib.Workdir(self.workdir).claim(EXPERIMENT)
        found = parse(f"--workdir={self.workdir}")
        self.assertEqual(
            describe.network(found), (EXPERIMENT.model, EXPERIMENT.space)
        )

    def test_what_is_given_overrides_the_folders(self):
        workdir_lib.Workdir(self.workdir).claim(EXPERIMENT)
        model, space = describe.network(
            parse(
                f"--workdir={self.workdir}",
                "--position=none",
                "--num_classes=1000",
                "--search_space=tiny",
            )
        )
        self.assertEqual(space, search_space.SEARCH_SPACES["tiny"])
        self.assertEqual(
            (model.num_classes, model.input_size, model.head_dim),
            (1000, (8, 12), 8),
        )
        self.assertEqual((model.pooling, model.position), ("cls", "none"))

    def test_a_folder_that_is_not_there_is_refused(self):
        found = parse(f"--workdir={self.workdir}")
        with self.assertRaisesRegex(errors.InputError, "train a supernet ther"):
            describe.network(found)


if __name__ == "__main__":
    absltest.main()
