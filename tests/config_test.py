"""Flags: every one explained, and read into the dataclass that it is of."""

import dataclasses
import json
import os
import pathlib
import typing

from absl import flags
from absl.testing import absltest, flagsaver, parameterized

from tf_autoformer import command_line, config, errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.evaluation import standalone
from tf_autoformer.evolution import algorithm
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.official import conversion
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint, published, search_space
from tf_autoformer.space import model as model_lib

BINARIES = {
    "train": command_line.define_train,
    "search": command_line.define_search,
    "export": command_line.define_export,
    "report": command_line.define_report,
    "convert": command_line.define_convert,
    "evaluate": command_line.define_evaluate,
    "describe": command_line.define_describe,
}
FLAGFILES = pathlib.Path(__file__).parent.parent / "flags"

# No value is its flag's default.
EXPERIMENT = experiment_lib.Experiment(
    dataset="digits",
    model=model_lib.ModelConfig(
        num_classes=10,
        image_size=(8, 12),
        patch_size=4,
        head_dim=8,
        pooling="cls",
        position="relative",
        max_relative_offset=2,
        qkv_bias_layout="flat",
        drop_path=0.2,
        init_stddev=0.05,
    ),
    space=search_space.SearchSpace(
        embed_dims=(8, 16),
        depths=(1, 2),
        num_heads=(1, 2),
        mlp_ratios=(0.5, 2.0),
        allocation=search_space.Allocation(24, 3, 2, 2.0),
    ),
    training=training_config.TrainingConfig(
        epochs=3,
        batch_size=32,
        warmup_epochs=1,
        seed=5,
        precision="mixed_bfloat16",
    ),
    augmentation=data_config.AugmentationConfig(flip=False, mixup=0.3),
)
SUBNET = architecture_lib.Architecture(16, 1, (2,), (0.5,))


class FlagsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        # Flags are global: all that a test defines goes when it ends.
        self.enter_context(flagsaver.flagsaver())

    def _define(self, binary: str) -> set[str]:
        """Defines a binary's flags and returns their names."""
        before = set(flags.FLAGS)
        BINARIES[binary]()
        return set(flags.FLAGS) - before

    def _parse(self, binary: str, *arguments: str, workdir="runs"):
        self._define(binary)
        if workdir is not None:
            arguments = (f"--workdir={workdir}", *arguments)
        flags.FLAGS([binary, *arguments])

    def _write_json(self, value) -> str:
        """The path of a new file."""
        file = self.create_tempfile(content=json.dumps(value))
        path = pathlib.Path(file.full_path)
        return str(path.rename(path.with_suffix(".json")))


class ConfigTest(FlagsTest):
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
        ("train", training_config.RunConfig, set()),
        ("train", data_config.AugmentationConfig, set()),
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
            if typing.get_origin(field.type) is typing.Literal:
                self.assertIsInstance(flag, flags.EnumFlag)
                self.assertEqual(tuple(flag.parser.enum_values), choices)
            else:
                self.assertIn(type(flag.default), choices or (field.type,))

    @parameterized.parameters(
        "pooling",
        "position",
        "qkv_bias_layout",
        "precision",
        "method",
        "strategy",
    )
    def test_a_choice_that_does_not_exist_is_refused(self, name):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, f"{name}=wrong: .* one of"
        ):
            self._parse("train", f"--{name}=wrong")

    @parameterized.parameters(*(BINARIES.keys() - {"describe"}))
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
            "--qkv_bias_layout=flat",
            "--pooling=cls",
            "--position=relative",
            "--drop_path=0.25",
            "--epochs=2.5",
            "--batch_size=64",
            "--warmup_epochs=1",
            "--seed=7",
            "--precision=mixed_bfloat16",
            "--mixup=0.3",
            "--noflip",
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
                qkv_bias_layout="flat",
                pooling="cls",
                position="relative",
                drop_path=0.25,
            ),
        )
        self.assertEqual(
            experiment.training,
            training_config.TrainingConfig(
                epochs=2.5,
                batch_size=64,
                warmup_epochs=1,
                seed=7,
                precision="mixed_bfloat16",
            ),
        )
        self.assertEqual(config.run(), training_config.RunConfig())
        self.assertEqual(
            experiment.augmentation,
            data_config.AugmentationConfig(mixup=0.3, flip=False),
        )

    def test_a_bad_value_is_an_input_error(self):
        self._parse("train", "--image_size=30", "--patch_size=8")
        with self.assertRaisesRegex(
            errors.InputError, "image_size is 30; it must be a multiple"
        ):
            config.experiment()

    def test_an_unknown_data_set_is_an_input_error(self):
        self._parse("train", "--dataset=nope")
        with self.assertRaisesRegex(errors.InputError, "dataset is 'nope'"):
            config.experiment()

    @parameterized.parameters("", "train")
    def test_a_folder_of_images_takes_the_place_of_a_data_set(self, part):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.parent)
        self._parse("train", f"--image_folder={folder.name}/")
        experiment = config.experiment()
        self.assertEqual(experiment.dataset, f"folder:{folder}")
        self.assertEqual(experiment.model.num_classes, 2)

    @parameterized.parameters(
        (
            ["--dataset=digits"],
            "image_folder is 'x' and dataset is 'digits'; o",
        ),
        ([], "image_folder is '/.*/x'; it must be a folder, but does not exis"),
        (["--image_folder=gs://x"], "image_folder is 'gs://x'; .* machine"),
    )
    def test_a_folder_that_cannot_be_is_an_input_error(self, more, message):
        self._parse("train", "--image_folder=x", *more)
        with self.assertRaisesRegex(errors.InputError, message):
            config.experiment()

    def test_a_folder_goes_on_as_it_was_made_with(self):
        parent = pathlib.Path(self.create_tempdir().full_path)
        folder = parent / "images"
        for name in ("cat", "dog"):
            (folder / name).mkdir(parents=True)
        made = dataclasses.replace(
            EXPERIMENT,
            dataset=f"folder:{folder}",
            model=dataclasses.replace(EXPERIMENT.model, num_classes=2),
        )
        experiment_lib.claim(parent / "work", dataclasses.asdict(made))
        self._parse("train", workdir=parent / "work")
        self.assertEqual(config.experiment().dataset, made.dataset)

    @parameterized.parameters(
        ("export/1", "{here}/export/1"),
        ("~/export/1", "{home}/export/1"),
        ("gs://bucket/export/1", "gs://bucket/export/1"),
        ("", ""),
    )
    def test_a_teacher_is_found_again_from_everywhere(self, given, kept):
        here = pathlib.Path(self.create_tempdir().full_path)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(here)
        self._parse("train", f"--teacher={given}")
        self.assertEqual(
            config.experiment().training.teacher,
            kept.format(here=here, home=pathlib.Path.home()),
        )

    def test_an_unknown_search_space_is_an_input_error(self):
        self._parse("train", "--search_space=huge")
        with self.assertRaisesRegex(
            errors.InputError,
            "search_space is 'huge'; it must be one of tiny, small, base, "
            "digits or a .json file",
        ):
            config.experiment()

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
        self._parse("train", f"--search_space={self._write_json(values)}")
        self.assertEqual(config.space(), EXPERIMENT.space)
        self.assertEqual(config.experiment().space, EXPERIMENT.space)

    def test_a_file_that_is_no_search_space_is_named(self):
        path = self._write_json({"embed_dims": [8]})
        self._parse("train", f"--search_space={path}")
        with self.assertRaisesRegex(errors.InputError, f"{path}: a search spa"):
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
        ("train", "supernet.flags"),
        ("train", "full_recipe.flags"),
        ("search", "search.flags"),
    )
    def test_every_flag_file_is_understood(self, binary, file):
        paths = sorted(FLAGFILES.glob(f"*/{file}"))
        self.assertNotEmpty(paths)
        for path in paths:
            with self.subTest(str(path)), flagsaver.flagsaver():
                self._parse(binary, f"--flagfile={path}")
                if binary == "train":
                    config.experiment()
                    config.run()
                else:
                    config.evolution()
                    config.ranges()


class WorkdirTest(FlagsTest):
    """Flags that are not given have the values of the working folder."""

    def setUp(self):
        super().setUp()
        self.workdir = pathlib.Path(self.create_tempdir().full_path) / "run"

    def _claim(self, experiment: experiment_lib.Experiment):
        experiment_lib.claim(self.workdir, dataclasses.asdict(experiment))

    def test_what_is_not_given_is_the_folders(self):
        self._claim(EXPERIMENT)
        self._parse("train", workdir=self.workdir)
        self.assertEqual(config.experiment(), EXPERIMENT)

    def test_what_is_given_overrides_the_folders(self):
        self._claim(EXPERIMENT)
        # Values that are also the flags' defaults are given nonetheless.
        self._parse(
            "train",
            "--pooling=average",
            "--image_size=16x8",
            "--batch_size=1024",
            "--search_space=tiny",
            workdir=self.workdir,
        )
        self.assertEqual(
            config.experiment(),
            dataclasses.replace(
                EXPERIMENT,
                model=dataclasses.replace(
                    EXPERIMENT.model, pooling="average", image_size=(16, 8)
                ),
                space=search_space.SEARCH_SPACES["tiny"],
                training=dataclasses.replace(
                    EXPERIMENT.training, batch_size=1024
                ),
            ),
        )

    def test_a_recipe_that_the_folder_leaves_open_is_the_flags(self):
        self._claim(
            dataclasses.replace(EXPERIMENT, training=None, augmentation=None)
        )
        self._parse("train", "--epochs=40", "--mixup=0", workdir=self.workdir)
        self.assertEqual(
            config.experiment(),
            dataclasses.replace(
                EXPERIMENT,
                training=training_config.TrainingConfig(epochs=40),
                augmentation=data_config.AugmentationConfig(mixup=0),
            ),
        )

    def test_a_folder_without_configuration_has_the_defaults(self):
        self.workdir.mkdir()
        self._parse("train", workdir=self.workdir)
        self.assertEqual(
            config.experiment(),
            experiment_lib.Experiment(
                dataset="digits",
                model=model_lib.ModelConfig(num_classes=10),
                space=search_space.SEARCH_SPACES["tiny"],
                training=training_config.TrainingConfig(),
                augmentation=data_config.AugmentationConfig(),
            ),
        )

    def test_a_description_is_of_the_folders_network(self):
        self._claim(EXPERIMENT)
        self._parse(
            "describe",
            "--architecture=autoformer_s",
            "--position=none",
            workdir=self.workdir,
        )
        model, space = config.described()
        self.assertEqual(space, EXPERIMENT.space)
        self.assertEqual(
            (model.num_classes, model.input_size, model.head_dim),
            (10, (8, 12), 8),
        )
        self.assertEqual((model.pooling, model.position), ("cls", "none"))

    def test_a_description_for_a_folder_that_is_not_there_is_refused(self):
        self._parse("describe", "--architecture=x", workdir=self.workdir)
        with self.assertRaisesRegex(errors.InputError, "train a supernet ther"):
            config.described()


class NewBinariesTest(FlagsTest):
    @parameterized.parameters(*published.NAMES)
    def test_an_architecture_may_be_a_published_name(self, name):
        self._parse("evaluate", f"--architecture={name}")
        self.assertEqual(config.architecture(), published.load(name))

    def test_an_architecture_may_be_a_file(self):
        path = self._write_json(SUBNET.to_dict())
        self._parse("evaluate", f"--architecture={path}")
        self.assertEqual(config.architecture(), SUBNET)

    def test_an_architecture_that_is_neither_is_an_input_error(self):
        self._parse("evaluate", "--architecture=autoformer_x")
        with self.assertRaisesRegex(
            errors.InputError, "is 'autoformer_x'; it must"
        ):
            config.architecture()

    def test_a_description_needs_no_folder(self):
        self._parse("describe", "--architecture=autoformer_s", workdir=None)
        model, space = config.described()
        self.assertEqual(model, model_lib.ModelConfig(num_classes=1000))
        self.assertIsNone(space)
        self.assertIsNone(config.picture())

    def test_a_description_is_of_the_network_that_the_flags_say(self):
        self._parse(
            "describe",
            "--architecture=autoformer_s",
            "--search_space=small",
            "--num_classes=10",
            "--image_size=224x320",
            "--picture=~/picture.png",
            workdir=None,
        )
        model, space = config.described()
        self.assertEqual(
            model, model_lib.ModelConfig(num_classes=10, image_size=(224, 320))
        )
        self.assertEqual(space, search_space.SEARCH_SPACES["small"])
        self.assertEqual(config.picture(), pathlib.Path.home() / "picture.png")

    def test_an_evaluation_is_of_the_test_split_by_default(self):
        path = self._write_json(SUBNET.to_dict())
        self._parse("evaluate", f"--architecture={path}")
        self.assertEqual(
            config.evaluation_task(),
            standalone.Task(
                architecture=SUBNET,
                dataset=None,
                split="test",
                image_size=None,
                batch_size=256,
                data_dir=None,
            ),
        )

    def test_an_evaluation_is_what_the_flags_say(self):
        path = self._write_json(SUBNET.to_dict())
        self._parse(
            "evaluate",
            f"--architecture={path}",
            "--dataset=digits",
            "--split=validation",
            "--image_size=16x8",
            "--batch_size=7",
            "--data_dir=data",
        )
        self.assertEqual(
            config.evaluation_task(),
            standalone.Task(
                architecture=SUBNET,
                dataset="digits",
                split="validation",
                image_size=(16, 8),
                batch_size=7,
                data_dir="data",
            ),
        )

    @parameterized.parameters("evaluate", "convert")
    def test_an_evaluation_and_a_conversion_may_be_of_a_folder(self, binary):
        arguments = ["--architecture=autoformer_t"]
        if binary == "convert":
            arguments = ["--official_checkpoint=x"]
        self._parse(binary, *arguments, "--image_folder=~/images")
        task = (
            config.untold() if binary == "convert" else config.evaluation_task()
        )
        self.assertEqual(task.dataset, f"folder:{pathlib.Path.home()}/images")

    @parameterized.parameters("split=all", "batch_size=0", "batch_size=x")
    def test_an_evaluation_that_cannot_be_is_refused(self, flag):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, flag):
            self._parse("evaluate", "--architecture=x", f"--{flag}")

    def test_a_conversion_guesses_what_is_not_given(self):
        self._parse("convert", "--official_checkpoint=~/tiny.pth")
        self.assertEqual(config.untold(), conversion.Untold())
        self.assertIsNone(config.architecture())
        self.assertEqual(
            config.official_files(), (pathlib.Path.home() / "tiny.pth", None)
        )

    def test_a_conversion_is_what_the_flags_say(self):
        self._parse(
            "convert",
            "--official_checkpoint=tiny.pth",
            "--dataset=digits",
            "--search_space=tiny",
            "--pooling=cls",
            "--image_size=224x320",
        )
        self.assertEqual(
            config.untold(),
            conversion.Untold(
                dataset="digits",
                space=search_space.SEARCH_SPACES["tiny"],
                pooling="cls",
                image_size=(224, 320),
            ),
        )

    def test_an_official_checkpoint_may_be_made_for_an_architecture(self):
        self._parse(
            "convert",
            "--export_official=out/tiny.pth",
            "--architecture=autoformer_t",
        )
        self.assertEqual(
            config.official_files(), (None, pathlib.Path("out/tiny.pth"))
        )
        self.assertEqual(config.architecture(), published.load("autoformer_t"))

    @parameterized.parameters(
        (), ("--official_checkpoint=a.pth", "--export_official=b.pth")
    )
    def test_a_conversion_goes_one_way(self, *arguments):
        with self.assertRaisesRegex(
            flags.IllegalFlagValueError, "official_checkpoint, export_official"
        ):
            self._parse("convert", *arguments)


if __name__ == "__main__":
    absltest.main()
