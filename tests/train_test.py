"""What is trained: what the flags say, else the folder, else the defaults."""

import dataclasses
import os
import pathlib
import typing

from absl import flags
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import errors, train
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space
from tf_autoformer.training import run_config

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


def parse(*arguments: str) -> train.Options:
    return options.parse(train.Options, *arguments)


def experiment(
    *arguments: str, workdir: str | os.PathLike[str] = "runs"
) -> experiment_lib.Experiment:
    """What a command trains."""
    return train.experiment(
        parse(f"--workdir={workdir}", *arguments), workdir_lib.Workdir(workdir)
    )


class FlagsTest(parameterized.TestCase):
    @parameterized.parameters(
        (model_lib.ModelConfig, {"num_classes", "channels"}),
        (training_config.TrainingConfig, set()),
        (run_config.RunConfig, set()),
        (data_config.AugmentationConfig, set()),
    )
    def test_every_field_is_a_flag_of_its_default(self, kind, without):
        defined = options.defined(train.Options)
        for field in dataclasses.fields(kind):
            if field.name in without:
                self.assertNotIn(field.name, defined)
                continue
            flag = defined[field.name]
            self.assertEqual(flag.default, field.default)
            choices = typing.get_args(field.type)
            if typing.get_origin(field.type) is typing.Literal:
                self.assertIsInstance(flag, flags.EnumFlag)
                self.assertEqual(tuple(flag.parser.enum_values), choices)
            else:
                self.assertIn(type(flag.default), choices or (field.type,))
                self.assertIs(type(flag.default), type(field.default))

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
            parse("--workdir=runs", f"--{name}=wrong")


class ExperimentTest(parameterized.TestCase):
    def test_an_experiment_is_what_the_flags_say(self):
        found = experiment(
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
        self.assertEqual(
            found,
            experiment_lib.Experiment(
                dataset="digits",
                model=model_lib.ModelConfig(
                    num_classes=10,
                    channels=3,
                    image_size=32,
                    patch_size=8,
                    qkv_bias_layout="flat",
                    pooling="cls",
                    position="relative",
                    drop_path=0.25,
                ),
                space=search_space.SEARCH_SPACES["small"],
                training=training_config.TrainingConfig(
                    epochs=2.5,
                    batch_size=64,
                    warmup_epochs=1,
                    seed=7,
                    precision="mixed_bfloat16",
                ),
                augmentation=data_config.AugmentationConfig(
                    mixup=0.3, flip=False
                ),
            ),
        )

    def test_how_to_run_is_what_the_flags_say(self):
        self.assertEqual(parse("--workdir=x").run, run_config.RunConfig())
        self.assertEqual(
            parse("--workdir=x", "--strategy=one_device", "--log_every=7").run,
            run_config.RunConfig(strategy="one_device", log_every=7),
        )

    def test_a_bad_value_is_an_input_error(self):
        with self.assertRaisesRegex(
            errors.InputError, "image_size is 30; it must be a multiple"
        ):
            experiment("--image_size=30", "--patch_size=8")

    def test_an_unknown_data_set_is_an_input_error(self):
        with self.assertRaisesRegex(errors.InputError, "dataset is 'nope'"):
            experiment("--dataset=nope")

    @parameterized.parameters("", "train")
    def test_a_folder_of_images_takes_the_place_of_a_data_set(self, part):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.parent)
        found = experiment(f"--image_folder={folder.name}/")
        self.assertEqual(found.dataset, f"folder:{folder}")
        self.assertEqual(found.model.num_classes, 2)

    def test_a_folder_of_images_that_is_not_there_is_an_input_error(self):
        with self.assertRaisesRegex(
            errors.InputError,
            "image_folder is '/.*/x'; it must be a folder, but does not exist",
        ):
            experiment("--image_folder=x")

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
        self.assertEqual(
            experiment(f"--teacher={given}").training.teacher,
            kept.format(here=here, home=pathlib.Path.home()),
        )

    def test_a_limit_of_pixels_is_kept_in_the_folder(self):
        folder = self.create_tempdir().full_path
        made = experiment("--max_image_pixels=1000", workdir=folder)
        self.assertEqual(made.max_image_pixels, 1000)
        workdir_lib.Workdir(folder).claim(made)

        self.assertEqual(experiment(workdir=folder), made)
        with self.assertRaisesRegex(
            errors.InputError,
            "config.json was made with max_image_pixels 1000, now it is 2000",
        ):
            workdir_lib.Workdir(folder).claim(
                experiment("--max_image_pixels=2000", workdir=folder)
            )


class WorkdirTest(absltest.TestCase):
    """Flags that are not given have the values of the working folder."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = self.folder / "run"

    def _claim(self, made: experiment_lib.Experiment) -> None:
        workdir_lib.Workdir(self.workdir).claim(made)

    def test_what_is_not_given_is_the_folders(self):
        self._claim(EXPERIMENT)
        self.assertEqual(experiment(workdir=self.workdir), EXPERIMENT)

    def test_what_is_given_overrides_the_folders(self):
        self._claim(EXPERIMENT)
        # Values that are also the flags' defaults are given nonetheless.
        self.assertEqual(
            experiment(
                "--pooling=average",
                "--image_size=16x8",
                "--batch_size=1024",
                "--search_space=tiny",
                "--flip",
                workdir=self.workdir,
            ),
            dataclasses.replace(
                EXPERIMENT,
                model=dataclasses.replace(
                    EXPERIMENT.model, pooling="average", image_size=(16, 8)
                ),
                space=search_space.SEARCH_SPACES["tiny"],
                training=dataclasses.replace(
                    EXPERIMENT.training, batch_size=1024
                ),
                augmentation=dataclasses.replace(
                    EXPERIMENT.augmentation, flip=True
                ),
            ),
        )

    def test_another_data_set_has_its_own_classes(self):
        self._claim(EXPERIMENT)
        found = experiment("--dataset=cifar100", workdir=self.workdir)
        self.assertEqual(found.dataset, "cifar100")
        self.assertEqual(
            found.model, dataclasses.replace(EXPERIMENT.model, num_classes=100)
        )

    def test_a_folder_of_images_is_gone_on_with(self):
        images = self.folder / "images"
        for name in ("cat", "dog"):
            (images / name).mkdir(parents=True)
        made = dataclasses.replace(
            EXPERIMENT,
            dataset=f"folder:{images}",
            model=dataclasses.replace(EXPERIMENT.model, num_classes=2),
        )
        self._claim(made)
        self.assertEqual(experiment(workdir=self.workdir), made)

    def test_a_recipe_that_the_folder_leaves_open_is_the_flags(self):
        self._claim(
            dataclasses.replace(EXPERIMENT, training=None, augmentation=None)
        )
        self.assertEqual(
            experiment("--epochs=40", "--mixup=0", workdir=self.workdir),
            dataclasses.replace(
                EXPERIMENT,
                training=training_config.TrainingConfig(epochs=40),
                augmentation=data_config.AugmentationConfig(mixup=0),
            ),
        )

    def test_a_folder_without_configuration_has_the_defaults(self):
        self.workdir.mkdir()
        self.assertEqual(
            experiment(workdir=self.workdir),
            experiment_lib.Experiment(
                dataset="digits",
                model=model_lib.ModelConfig(num_classes=10),
                space=search_space.SEARCH_SPACES["tiny"],
                training=training_config.TrainingConfig(),
                augmentation=data_config.AugmentationConfig(),
            ),
        )

    def test_a_folder_whose_configuration_is_damaged_is_refused(self):
        self.workdir.mkdir()
        (self.workdir / "config.json").write_text("{}")
        with self.assertRaisesRegex(errors.InputError, "config.json is not"):
            experiment(workdir=self.workdir)


if __name__ == "__main__":
    absltest.main()
