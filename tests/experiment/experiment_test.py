"""An experiment's JSON form, and what is read of the forms before it."""

import copy
import dataclasses
import functools
import json
import pathlib
import re
from typing import Any

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.space import model, search_space

_OLD = pathlib.Path(__file__).parent.parent / "goldens" / "workdir_v1"
OLD = json.loads((_OLD / "config.json").read_text())
KINDS = {
    "model": model.ModelConfig,
    "training": training_config.TrainingConfig,
    "augmentation": augmentation_config.AugmentationConfig,
}
# (part, field) -> the value of folders that lack the field.
BEFORE = {
    (part, field.name): field.metadata["before"]
    for part, kind in KINDS.items()
    for field in dataclasses.fields(kind)
    if "before" in field.metadata
}


def _experiment(**training) -> experiment.Experiment:
    return experiment.Experiment(
        dataset="digits",
        model=model.ModelConfig(num_classes=10, position="relative"),
        space=search_space.SEARCH_SPACES["digits"],
        training=training_config.TrainingConfig(**training),
        augmentation=augmentation_config.NONE,
    )


def _as_json(values: Any) -> Any:
    """The values after a way through a JSON file."""
    return json.loads(json.dumps(values))


class RoundTripTest(absltest.TestCase):
    def _check(self, written: experiment.Experiment) -> None:
        values = _as_json(written.to_dict())

        self.assertEqual(values["version"], 2)
        self.assertEqual(experiment.Experiment.from_dict(values), written)

    def test_a_recipe_comes_back(self):
        self._check(
            _experiment(
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
        )

    def test_an_allocation_an_image_size_and_no_recipe_come_back(self):
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

        self._check(written)


class OlderFormTest(parameterized.TestCase):
    def test_the_first_version_is_read_value_by_value(self):
        found = experiment.Experiment.from_dict(OLD)

        self.assertNotIn("version", OLD)
        self.assertEqual(found.dataset, "digits")
        self.assertEqual(found.space.embed_dims, (8, 16))
        compared = 0
        for part in KINDS:
            for name, value in OLD[part].items():
                self.assertEqual(getattr(getattr(found, part), name), value)
                compared += 1
        self.assertEqual(compared, 11 + 16 + 12)

    @parameterized.parameters(*BEFORE)
    def test_a_field_that_is_lacking_has_the_value_from_before_it(
        self, part, name
    ):
        for version in ({}, {"version": 2}):
            values = copy.deepcopy(OLD) | version
            values[part].pop(name, None)

            found = experiment.Experiment.from_dict(values)

            value = getattr(getattr(found, part), name)
            self.assertEqual(value, BEFORE[part, name])

    def test_the_fields_that_the_first_folders_lacked_may_be_lacking(self):
        lacked = {
            ("model", "qkv_bias_layout"): "heads",
            ("training", "accumulation"): 1,
            ("training", "base_batch_size"): 0,
            ("training", "clip_norm"): 0,
            ("training", "teacher"): "",
            ("training", "ema_decay"): 0,
            ("training", "method"): "autoformer",
            ("training", "precision"): "float32",
        }
        values = copy.deepcopy(OLD)
        for part, name in lacked:
            del values[part][name]

        found = experiment.Experiment.from_dict(values)

        for (part, name), value in lacked.items():
            self.assertEqual(getattr(getattr(found, part), name), value)

    def test_a_field_added_since_says_what_was_before_it(self):
        for part, kind in KINDS.items():
            for field in dataclasses.fields(kind):
                if field.name not in OLD[part]:
                    self.assertIn(
                        (part, field.name),
                        BEFORE,
                        f"{kind.__name__}.{field.name} has no `before`, so "
                        "that folders made without it cannot be read",
                    )

    @parameterized.parameters(*KINDS)
    def test_without_such_a_value_a_lacking_field_is_refused_by_name(
        self, part
    ):
        lacking = next(n for n in OLD[part] if (part, n) not in BEFORE)
        values = copy.deepcopy(OLD)
        del values[part][lacking]

        with self.assertRaisesRegex(errors.InputError, f"missing {lacking}$"):
            experiment.Experiment.from_dict(values)

    def test_a_folder_from_before_there_was_a_limit_has_the_first(self):
        values = copy.deepcopy(OLD)
        values.pop("max_image_pixels", None)

        found = experiment.Experiment.from_dict(values)

        self.assertEqual(found.max_image_pixels, 89_478_485)

    def test_a_folder_from_before_there_was_augmentation_has_none(self):
        values = copy.deepcopy(OLD)
        del values["augmentation"]

        self.assertIsNone(experiment.Experiment.from_dict(values).augmentation)


class RefusalTest(parameterized.TestCase):
    @parameterized.parameters("model", "training", "augmentation", "space", "")
    def test_an_unknown_field_is_refused_by_name(self, part):
        values = copy.deepcopy(OLD)
        (values[part] if part else values)["colour"] = 1

        with self.assertRaisesRegex(errors.InputError, "; unknown colour$"):
            experiment.Experiment.from_dict(values)

    @parameterized.parameters(3, 0, "2", None, ([1],))
    def test_a_version_that_is_newer_or_none_is_refused(self, version):
        values = copy.deepcopy(OLD) | {"version": version}

        with self.assertRaisesRegex(
            errors.InputError,
            re.escape(f"version is {version!r}; this program reads 1 to 2"),
        ):
            experiment.Experiment.from_dict(values)

    @parameterized.parameters(1, 2)
    def test_the_versions_so_far_are_read(self, version):
        values = copy.deepcopy(OLD) | {"version": version}

        self.assertEqual(
            experiment.Experiment.from_dict(values),
            experiment.Experiment.from_dict(OLD),
        )

    @parameterized.parameters(
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
        ("max_image_pixels", 0, "max_image_pixels is 0; it must be positive"),
        ("max_image_pixels", "9", "max_image_pixels is '9', of the wrong"),
        ("augmentation.mixup", -1, "mixup is -1; it must be 0 or more"),
    )
    def test_a_damaged_value_is_told_by_field(self, field, value, message):
        damaged = _as_json(_experiment().to_dict())
        *parts, name = field.split(".")
        functools.reduce(dict.__getitem__, parts, damaged)[name] = value

        with self.assertRaisesRegex(errors.InputError, message):
            experiment.Experiment.from_dict(damaged)

    @parameterized.parameters(None, ([],), "x", 3)
    def test_what_is_no_mapping_is_refused(self, values):
        with self.assertRaisesRegex(
            errors.InputError, "an experiment has the fields .*; found "
        ):
            experiment.Experiment.from_dict(values)


if __name__ == "__main__":
    absltest.main()
