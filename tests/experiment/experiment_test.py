"""A working folder remembers its configuration and defends it."""

import copy
import dataclasses
import functools
import json
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest

from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.space import model, search_space


def _experiment(**training) -> experiment.Experiment:
    return experiment.Experiment(
        dataset="digits",
        model=model.ModelConfig(num_classes=10, position="relative"),
        space=search_space.SEARCH_SPACES["digits"],
        training=training_config.TrainingConfig(**training),
        augmentation=data_config.NONE,
    )


class ExperimentTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "run"

    def test_load_gives_back_what_claim_wrote(self):
        written = _experiment(
            epochs=1.5,
            seed=3,
            warmup_epochs=1,
            precision="mixed_bfloat16",
            method="bignas",
            teacher="~/teacher",
            accumulation=2,
            base_batch_size=512,
            ema_decay=0.999,
            clip_norm=1,
        )

        experiment.claim(self.folder, dataclasses.asdict(written))

        self.assertEqual(experiment.load(self.folder), written)

    def test_an_allocation_an_image_size_and_no_recipe_are_given_back(self):
        written = dataclasses.replace(
            _experiment(),
            model=model.ModelConfig(
                num_classes=10, image_size=(16, 32), qkv_bias_layout="flat"
            ),
            space=search_space.SEARCH_SPACES["tiny"],
            training=None,
            augmentation=None,
        )
        self.assertIsNotNone(written.space.allocation)

        experiment.claim(self.folder, dataclasses.asdict(written))

        self.assertEqual(experiment.load(self.folder), written)

    def test_a_recipe_left_open_is_filled_in_by_the_first_to_claim(self):
        opened = dataclasses.replace(
            _experiment(), training=None, augmentation=None
        )
        experiment.claim(self.folder, dataclasses.asdict(opened))
        first = dataclasses.asdict(_experiment(epochs=30))

        experiment.claim(self.folder, first)

        self.assertEqual(experiment.load(self.folder), _experiment(epochs=30))
        experiment.claim(self.folder, first)
        with self.assertRaisesRegex(
            errors.InputError, "training.epochs 30, now it is 40"
        ):
            experiment.claim(
                self.folder, dataclasses.asdict(_experiment(epochs=40))
            )

    def test_a_claim_that_is_refused_fills_nothing_in(self):
        opened = dataclasses.replace(
            _experiment(), training=None, augmentation=None
        )
        experiment.claim(self.folder, dataclasses.asdict(opened))
        other = dataclasses.replace(_experiment(), dataset="imagenet2012")

        with self.assertRaisesRegex(errors.InputError, "dataset 'digits', now"):
            experiment.claim(self.folder, dataclasses.asdict(other))

        self.assertEqual(experiment.load(self.folder), opened)

    def test_the_same_configuration_may_claim_again(self):
        for _ in range(2):
            experiment.claim(self.folder, dataclasses.asdict(_experiment()))

    def test_another_configuration_is_refused_by_field_and_values(self):
        experiment.claim(self.folder, dataclasses.asdict(_experiment()))
        before = (self.folder / "config.json").read_text()

        with self.assertRaisesRegex(
            errors.InputError, "training.batch_size 1024, now it is 64"
        ):
            experiment.claim(
                self.folder, dataclasses.asdict(_experiment(batch_size=64))
            )

        self.assertEqual((self.folder / "config.json").read_text(), before)

    def test_another_precision_is_refused(self):
        experiment.claim(self.folder, dataclasses.asdict(_experiment()))

        with self.assertRaisesRegex(
            errors.InputError,
            "training.precision 'float32', now it is 'mixed_bfloat16'",
        ):
            experiment.claim(
                self.folder,
                dataclasses.asdict(_experiment(precision="mixed_bfloat16")),
            )

    def test_a_folder_without_configuration_says_what_to_do(self):
        with self.assertRaisesRegex(errors.InputError, "train a supernet"):
            experiment.load(self.folder)

    def test_a_foreign_configuration_is_named(self):
        self.folder.mkdir()
        (self.folder / "config.json").write_text('{"dataset": "digits"}')

        with self.assertRaisesRegex(errors.InputError, "config.json is not"):
            experiment.load(self.folder)

    def test_a_damaged_configuration_is_told_by_field(self):
        values = dataclasses.asdict(_experiment())
        for field, value, message in (
            ("model", None, "a ModelConfig has the fields .*found NoneType"),
            ("space", None, "a search space has the fields .*found NoneType"),
            ("space", [1, 2], "found list"),
            ("dataset", None, "dataset is None, of the wrong type"),
            ("training", "x", "a TrainingConfig has the fields .*found str"),
            ("training", [], "found list"),
            ("space.depths", [1, 2.5], r"depths\[1\] is 2.5"),
            ("space.allocation", [1], "an allocation has the fields"),
            ("space.published", None, "published is None"),
            ("space.published", ["x"], r"published is \['x'\]"),
            ("model.num_classes", 10.5, "num_classes is 10.5, of the wrong"),
            ("model.pooling", 1, "pooling is 1, of the wrong type"),
            ("model.pooling", "max", "pooling is 'max'; it must be one of"),
            ("model.image_size", [32], r"image_size is \[32\], of the wrong"),
            ("model.image_size", [32, 8.0], "image_size is 8.0, of the wrong"),
            ("training.epochs", True, "epochs is True, of the wrong type"),
            ("training.precision", 16, "precision is 16, of the wrong type"),
            (
                "training.precision",
                "bfloat16",
                "precision is 'bfloat16'; it must be one of float32, mixed_bf",
            ),
            ("training.method", None, "method is None, of the wrong type"),
            ("training.teacher", 3, "teacher is 3, of the wrong type"),
            ("training.accumulation", 1.5, "accumulation is 1.5, of the wr"),
            ("training.ema_decay", "0", "ema_decay is '0', of the wrong"),
            ("augmentation", [], "found list"),
            ("augmentation.mixup", -1, "mixup is -1; it must be 0 or more"),
        ):
            with self.subTest(f"{field} {value}"):
                damaged = copy.deepcopy(values)
                *rooms, name = field.split(".")
                functools.reduce(dict.__getitem__, rooms, damaged)[name] = value
                self.folder.mkdir(exist_ok=True)
                path = self.folder / "config.json"
                path.write_text(json.dumps(damaged))

                with self.assertRaisesRegex(
                    errors.InputError, f"config.json is not .*{message}"
                ):
                    experiment.load(self.folder)


class SplitsTest(absltest.TestCase):
    def test_a_folder_whose_images_have_changed_is_refused(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        png = tf.io.encode_png(np.zeros([2, 2, 3], np.uint8)).numpy()
        for name in ("cat", "dog"):
            for number in range(30):
                path = root / "images" / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png)

        def claim():
            dataset = datasets.load(
                f"{datasets.FOLDER}{root / 'images'}", str(root / "data")
            )
            experiment.claim_splits(root, dataset)

        claim()
        claim()  # The same.
        for number in range(30, 60):
            (root / "images" / "cat" / f"{number}.png").write_bytes(png)
        with self.assertRaisesRegex(
            errors.InputError, "its images have changed"
        ):
            claim()


if __name__ == "__main__":
    absltest.main()
