"""Flags: every one explained, and read into the dataclass that it is of."""

import dataclasses
import pathlib
import typing

from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from tf_autoformer import config, errors
from tf_autoformer.evolution import algorithm
from tf_autoformer.space import constraint, search_space
from tf_autoformer.space import model as model_lib
from tf_autoformer.training import config as training_config
from tf_autoformer.training import loop

BINARIES = {
    "train": config.define_train,
    "search": config.define_search,
    "export": config.define_export,
    "report": config.define_report,
}
FLAGFILES = pathlib.Path(__file__).parent.parent / "flags"


class ConfigTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        # Flags are global: all that a test defines goes when it ends.
        self.enter_context(flagsaver.flagsaver())

    def _define(self, binary: str) -> set[str]:
        """Defines a binary's flags and returns their names."""
        before = set(flags.FLAGS)
        BINARIES[binary]()
        return set(flags.FLAGS) - before

    def _parse(self, binary: str, *arguments: str):
        self._define(binary)
        flags.FLAGS([binary, "--workdir=runs", *arguments])

    @parameterized.parameters(*BINARIES)
    def test_every_flag_has_a_help_text(self, binary):
        names = self._define(binary)
        self.assertIn("workdir", names)
        for name in names:
            text = flags.FLAGS[name].help
            self.assertRegex(text, r"^\S.*\S$", name)
            self.assertNotIn("\n", text, name)

    @parameterized.parameters(
        ("train", model_lib.ModelConfig, {"num_classes", "channels"}),
        ("train", training_config.TrainingConfig, set()),
        ("train", loop.Cadence, set()),
        ("search", algorithm.EvolutionConfig, set()),
    )
    def test_every_field_is_a_flag_of_its_default(self, binary, kind, given):
        names = self._define(binary)
        for field in dataclasses.fields(kind):
            if field.name in given:
                self.assertNotIn(field.name, names)
                continue
            flag = flags.FLAGS[field.name]
            self.assertEqual(flag.default, field.default)
            choices = typing.get_args(field.type)
            if choices:
                self.assertIsInstance(flag, flags.EnumFlag)
                self.assertEqual(tuple(flag.parser.enum_values), choices)
            else:
                self.assertIsInstance(flag.default, field.type)

    @parameterized.parameters("pooling", "position", "search_space")
    def test_a_choice_that_does_not_exist_is_refused(self, name):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, f"{name}=wrong: .* one of"
        ):
            self._parse("train", f"--{name}=wrong")

    @parameterized.parameters(*BINARIES)
    def test_the_working_folder_is_required(self, binary):
        self._define(binary)
        with self.assertRaisesRegex(flags.IllegalFlagValueError, "workdir"):
            flags.FLAGS([binary])

    def test_an_experiment_is_what_the_flags_say(self):
        self._parse(
            "train",
            "--dataset=digits",
            "--search_space=small",
            "--image_size=32",
            "--patch_size=8",
            "--pooling=cls",
            "--position=relative",
            "--drop_path=0.25",
            "--epochs=2.5",
            "--batch_size=64",
            "--warmup_epochs=1",
            "--seed=7",
        )
        experiment = config.experiment()
        self.assertEqual(experiment.dataset, "digits")
        self.assertEqual(experiment.space, search_space.SEARCH_SPACES["small"])
        self.assertEqual(
            experiment.model,
            model_lib.ModelConfig(
                num_classes=10,
                channels=3,
                image_size=32,
                patch_size=8,
                pooling="cls",
                position="relative",
                drop_path=0.25,
            ),
        )
        self.assertEqual(
            experiment.training,
            training_config.TrainingConfig(
                epochs=2.5, batch_size=64, warmup_epochs=1, seed=7
            ),
        )
        self.assertEqual(config.cadence(), loop.Cadence())

    def test_a_bad_value_is_an_input_error(self):
        self._parse("train", "--image_size=30", "--patch_size=8")
        with self.assertRaisesRegex(
            errors.InputError, "image_size is 30; it must be a multiple"
        ):
            config.experiment()

    def test_an_unknown_data_set_is_an_input_error(self):
        self._parse("train", "--dataset=mnist")
        with self.assertRaisesRegex(errors.InputError, "dataset is 'mnist'"):
            config.experiment()

    def test_an_evolution_is_what_the_flags_say(self):
        self._parse(
            "search", "--population=7", "--depth_probability=1", "--parents=3"
        )
        self.assertEqual(
            config.evolution(),
            algorithm.EvolutionConfig(
                population=7, depth_probability=1.0, parents=3
            ),
        )

    def test_ranges_are_of_the_bounded_costs_alone(self):
        self._parse("search")
        self.assertEqual(config.ranges(), {})
        flags.FLAGS(
            ["search", "--workdir=runs", "--max_params=6e6", "--min_macs=1e9"]
        )
        self.assertEqual(
            config.ranges(),
            {
                "params": constraint.Range(None, 6e6),
                "macs": constraint.Range(1e9, None),
            },
        )

    def test_a_minimum_above_its_maximum_is_an_input_error(self):
        self._parse("search", "--min_params=2", "--max_params=1")
        with self.assertRaisesRegex(errors.InputError, "must not exceed"):
            config.ranges()

    @parameterized.parameters("..", "a/b", "", ".", "a b", "/a")
    def test_a_name_that_is_no_plain_folder_name_is_refused(self, name):
        self._parse("search", f"--name={name}")
        with self.assertRaisesRegex(errors.InputError, "plain folder name"):
            config.name()

    @parameterized.parameters("default", "under_6M", "2024-05.a")
    def test_a_plain_folder_name_is_kept(self, name):
        self._parse("search", f"--name={name}")
        self.assertEqual(config.name(), name)

    def test_folders(self):
        self._parse("search", "--workdir=~/runs", "--version=3")
        home = pathlib.Path.home()
        self.assertEqual(config.workdir(), home / "runs")
        self.assertEqual(config.export_folder(), home / "runs/export/3")
        self.assertIsNone(config.data_dir())

    def test_a_version_below_one_is_refused(self):
        self._parse("search", "--version=0")
        with self.assertRaisesRegex(errors.InputError, "version is 0; .* 1"):
            config.export_folder()

    @parameterized.parameters(
        ("train", "supernet.flags"), ("search", "search.flags")
    )
    def test_every_flag_file_is_understood(self, binary, file):
        paths = sorted(FLAGFILES.glob(f"*/{file}"))
        self.assertNotEmpty(paths)
        for path in paths:
            with self.subTest(str(path)), flagsaver.flagsaver():
                self._parse(binary, f"--flagfile={path}")
                if binary == "train":
                    config.experiment()
                    config.cadence()
                else:
                    config.evolution()
                    config.ranges()


if __name__ == "__main__":
    absltest.main()
