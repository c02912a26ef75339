"""Official checkpoints become whole working folders or none, and go back."""

import dataclasses
import logging
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
import torch
from absl.testing import absltest, parameterized

from tests.helpers import states
from tf_autoformer import errors
from tf_autoformer.experiment import experiment, training_config
from tf_autoformer.experiment import weights as weights_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.official import conversion, torch_file, weights
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture
GAP, CLS = states.NAMES
SPACE = search_space.SearchSpace((64, 96), (1, 2), (1, 2), (2.0, 3.5))


def _load(workdir: pathlib.Path) -> supernet_lib.Supernet:
    trained = workdir_lib.Workdir(workdir).trained(tf.distribute.get_strategy())
    assert trained.step == 0
    return trained.supernet


def _experiment(workdir: pathlib.Path) -> experiment.Experiment:
    return workdir_lib.Workdir(workdir).experiment


def _contents(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


class ConversionTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = self.folder / "workdir"

    def convert(self, path: str | pathlib.Path = GAP, **untold) -> None:
        if path in states.NAMES:
            golden = states.golden(path)
            path, untold = golden.path, {"pooling": golden.pooling} | untold
        conversion.from_official(
            path,
            workdir_lib.Workdir(self.workdir),
            conversion.Untold(**untold),
        )

    def save(self, content) -> pathlib.Path:
        path = self.folder / "official.pth"
        torch.save(content, path)
        return path

    def save_zeros(self, **options) -> pathlib.Path:
        # Each tensor takes one number in the file.
        shapes = states.shapes(**options)
        return self.save(
            {key: torch.zeros(1).expand(shapes[key]) for key in shapes}
        )

    def check_refused(self, path, pattern: str, **untold) -> None:
        before = _contents(self.folder)
        paths = set(self.folder.iterdir())
        with self.assertRaisesRegex(errors.InputError, pattern) as caught:
            self.convert(path, **untold)
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(_contents(self.folder), before)
        self.assertEqual(set(self.folder.iterdir()), paths)


class FromOfficialTest(ConversionTest):
    @parameterized.parameters(*states.NAMES)
    def test_makes_a_whole_working_folder(self, name):
        self.convert(name)

        golden = states.golden(name)
        made = _experiment(self.workdir)
        self.assertEqual(made.dataset, "digits")
        self.assertEqual(made.model.pooling, golden.pooling)
        self.assertEqual(made.model.qkv_bias_layout, "flat")
        self.assertIsNone(made.training)
        state, _ = torch_file.read(golden.path)
        wanted = supernet_lib.Supernet(made.model, made.space)
        weights.load(wanted, state)
        found = _load(self.workdir)
        for ours, theirs in zip(
            found.trainable_variables, wanted.trainable_variables, strict=True
        ):
            self.assertEqual(ours.numpy().tobytes(), theirs.numpy().tobytes())
        self.assertEqual(list(self.folder.iterdir()), [self.workdir])

    def test_the_files_own_options_are_used(self):
        golden = states.golden(GAP)
        conversion.from_official(
            golden.path,
            workdir_lib.Workdir(self.workdir),
            conversion.Untold(),
        )
        supernet = _load(self.workdir)
        self.assertEqual(supernet.model.pooling, "average")
        np.testing.assert_allclose(
            supernet(golden.images, golden.architectures[0]),
            golden.logits[0],
            atol=1e-5,
        )

    def test_an_image_size_that_is_no_square_is_kept(self):
        path = self.save_zeros(patches=3 * 5)
        self.convert(path, image_size=(12, 20))
        self.assertEqual(_load(self.workdir).model.grid, (3, 5))

    def test_an_empty_folder_is_used(self):
        self.workdir.mkdir()
        self.convert()
        self.assertEqual(_experiment(self.workdir).dataset, "digits")
        self.assertEqual(list(self.folder.iterdir()), [self.workdir])

    def test_an_existing_folder_is_refused_and_untouched(self):
        self.workdir.mkdir()
        (self.workdir / "precious").write_text("content")
        self.check_refused(GAP, "workdir exists already")

    def test_an_existing_file_is_refused_and_untouched(self):
        self.workdir.write_text("content")
        self.check_refused(GAP, "workdir exists already")

    def test_an_earlier_conversion_is_not_replaced(self):
        self.convert()
        self.check_refused(CLS, "workdir exists already")

    def test_a_failure_while_saving_leaves_nothing(self):
        def save(*_):
            raise tf.errors.ResourceExhaustedError(None, None, "disk full")

        with mock.patch.object(tf.train.CheckpointManager, "save", save):
            self.check_refused(GAP, "disk full")


class BadFileTest(ConversionTest):
    def test_no_file(self):
        path = self.folder / "none.pth"
        self.check_refused(path, "cannot read .*none.pth: No such file")

    def test_no_checkpoint(self):
        path = self.folder / "official.pth"
        content = states.golden(GAP).path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        self.check_refused(path, "official.pth is damaged")

    def test_code(self):
        path = self.save({"model": torch.nn.Linear(2, 3)})
        self.check_refused(path, "official.pth holds .*nothing .* was run")

    def test_tensors_of_another_model(self):
        path = self.save({"model": {"conv1.weight": torch.ones(2, 3)}})
        self.check_refused(path, "official.pth: .*no tensor patch_embed_super")

    def test_tensors_that_do_not_fit(self):
        state = states.random(states.shapes())
        state["blocks.1.fc2.bias"] = np.ones(3, np.float32)
        path = self.save({k: torch.from_numpy(v) for k, v in state.items()})
        self.check_refused(
            path, r"official.pth: blocks.1.fc2.bias must have \[128\]; .*\[3\]"
        )

    def test_pooling_that_contradicts_the_file(self):
        self.check_refused(GAP, "pooling is cls; .*average", pooling="cls")

    def test_an_image_size_that_the_tensors_contradict(self):
        self.check_refused(
            GAP, r"pth: pos_embed must have \[1, 26, 128\]", image_size=40
        )

    def test_an_image_size_of_no_whole_patches(self):
        self.check_refused(GAP, "image_size is 30; .*of patch", image_size=30)


class DatasetTest(ConversionTest):
    @parameterized.parameters(
        (1000, "imagenet2012"),
        (100, "cifar100"),
        (102, "oxford_flowers102"),
        (196, "cars196"),
        (37, "oxford_iiit_pet"),
        (8142, "i_naturalist2018"),
    )
    def test_is_the_one_of_as_many_classes(self, classes, dataset):
        with self.assertLogs(conversion.__name__, logging.INFO) as logs:
            self.convert(self.save_zeros(num_classes=classes))
        self.assertEqual(_experiment(self.workdir).dataset, dataset)
        self.assertIn(
            f"taken to be {dataset}, of as many classes, for its labels",
            logs.output[0],
        )

    def test_of_several_it_is_the_first_and_the_others_are_told(self):
        with self.assertLogs(conversion.__name__, logging.INFO) as logs:
            self.convert(self.save_zeros(num_classes=10))
        self.assertEqual(_experiment(self.workdir).dataset, "digits")
        self.assertRegex(
            logs.output[0],
            "digits, of as many classes as cifar10 has too, .*; --dataset or "
            "--image_folder names another$",
        )

    def test_can_be_named(self):
        self.convert(dataset="digits", max_image_pixels=9)
        self.assertEqual(_experiment(self.workdir).dataset, "digits")
        self.assertEqual(_experiment(self.workdir).max_image_pixels, 9)

    def test_of_other_classes_is_refused(self):
        self.check_refused(
            GAP,
            r"^head\.weight has 10 classes.* imagenet2012 has 1000",
            dataset="imagenet2012",
        )

    def test_none_of_as_many_classes_is_told(self):
        self.check_refused(
            self.save_zeros(num_classes=7),
            "has 7 classes.* digits has 10, imagenet2012 has 1000",
        )

    def test_an_unknown_one_is_refused(self):
        self.check_refused(GAP, "dataset is 'nope'", dataset="nope")


class SpaceTest(ConversionTest):
    @parameterized.parameters(
        # The official code's allocations: embed dim, depth, heads.
        ("tiny", 256, 14, 4),
        ("small", 448, 14, 7),
        ("base", 640, 16, 10),
    )
    def test_is_the_papers_of_this_size(self, name, embed_dim, depth, heads):
        path = self.save_zeros(
            embed_dim=embed_dim,
            depth=depth,
            num_heads=heads,
            hidden_dim=4 * embed_dim,
            num_classes=1000,
        )
        # Its hundreds of megabytes are not what this is about.
        with mock.patch.object(weights_lib, "save"):
            self.convert(path)
        self.assertEqual(
            _experiment(self.workdir).space,
            search_space.SEARCH_SPACES[name],
        )

    def test_is_everything_that_fits_if_unknown(self):
        with self.assertLogs(conversion.__name__, logging.INFO) as logs:
            self.convert()
        self.assertIn("everything that fits", "\n".join(logs.output))
        self.assertIn("--search_space", "\n".join(logs.output))
        space = _experiment(self.workdir).space
        self.assertEqual(
            space.allocation, search_space.Allocation(128, 3, 2, 4.0)
        )
        for architecture in (
            *states.golden(GAP).architectures,
            Architecture(8, 1, (1,), (0.5,)),
            Architecture(128, 3, (2, 2, 2), (4.0, 4.0, 4.0)),
        ):
            space.validate(architecture)

    def test_a_given_one_gets_the_checkpoints_size(self):
        self.convert(space=SPACE)
        allocation = search_space.Allocation(128, 3, 2, 4.0)
        self.assertEqual(
            _experiment(self.workdir).space,
            dataclasses.replace(SPACE, allocation=allocation),
        )
        golden = states.golden(GAP)
        architecture = golden.architectures[2]
        np.testing.assert_allclose(
            _load(self.workdir)(golden.images, architecture),
            golden.logits[2],
            atol=1e-5,
        )

    @parameterized.parameters(
        ("embed_dims", (64, 136), 128),
        ("depths", (1, 4), 3),
        ("num_heads", (1, 3), 2),
        ("mlp_ratios", (2.0, 5.5), 512),
    )
    def test_a_given_one_that_does_not_fit_is_refused(
        self, field, choices, size
    ):
        self.check_refused(
            GAP,
            rf"^{field} is .*{choices[1]}\), .*; the supernet has {size}$",
            space=dataclasses.replace(SPACE, **{field: choices}),
        )


class ToOfficialTest(ConversionTest):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "again.pth"

    def save_own(self, layout: str, num_heads=(1, 2), **changes) -> None:
        space = dataclasses.replace(SPACE, num_heads=num_heads)
        model = model_lib.ModelConfig(
            num_classes=10,
            image_size=16,
            patch_size=8,
            pooling="cls",
            position="relative",
            max_relative_offset=1,
            qkv_bias_layout=layout,
            drop_path=0.2,
        )
        model = dataclasses.replace(model, **changes)
        made = experiment.Experiment(
            "digits", model, space, training_config.TrainingConfig()
        )
        tf.keras.utils.set_random_seed(0)
        supernet = supernet_lib.Supernet(model, space)
        for variable in supernet.variables:
            variable.assign_add(0.1 * tf.random.normal(variable.shape))
        folder = workdir_lib.Workdir(self.workdir)
        folder.claim(made)
        weights_lib.save(folder.checkpoints, supernet)

    def convert_back(self, architecture: Architecture | None = None) -> None:
        folder = workdir_lib.Workdir(self.workdir)
        conversion.to_official(folder, self.path, architecture)

    @parameterized.parameters(*states.NAMES)
    def test_there_and_back_changes_no_bit(self, name):
        self.convert(name)
        self.convert_back()

        original = torch.load(states.golden(name).path, weights_only=False)[
            "model"
        ]
        again = torch.load(self.path)["model"]
        self.assertCountEqual(again, original)
        for key, tensor in original.items():
            self.assertEqual(again[key].dtype, tensor.dtype)
            self.assertTrue(torch.equal(again[key], tensor), key)

    @parameterized.parameters(
        ("heads", "relative", 16),
        ("flat", "relative", 16),
        ("flat", "absolute", (16, 64)),  # As many patches as a square has.
    )
    def test_back_and_there_needs_no_telling(self, layout, position, size):
        self.save_own(layout, position=position, image_size=size)
        architecture = Architecture(96, 2, (2, 1), (3.5, 2.0))
        self.convert_back(architecture)
        supernet, own = _load(self.workdir), _experiment(self.workdir)

        self.workdir = self.folder / "again"
        self.convert(self.path, space=SPACE)

        made = _experiment(self.workdir)
        self.assertEqual(
            made.model,
            dataclasses.replace(
                own.model,
                qkv_bias_layout="flat",
                init_stddev=0.02,
                # Without tables nothing tells it, and nothing needs it.
                max_relative_offset=made.model.max_relative_offset,
            ),
        )
        images = tf.random.stateless_normal(
            [2, *made.model.input_size, 3], [0, 1]
        )
        np.testing.assert_allclose(
            _load(self.workdir)(images, architecture),
            supernet(images, architecture),
            atol=1e-5,
        )

    @parameterized.parameters(
        ("heads", (1, 2), None, "the largest subnet"),
        (
            "heads",
            (1, 2),
            Architecture(64, 1, (1,), (2.0,)),
            "the architecture named",
        ),
        ("heads", (2,), None, None),
        ("flat", (1, 2), None, None),
    )
    def test_warns_of_what_the_official_bias_cannot_hold(
        self, layout, num_heads, architecture, notice
    ):
        self.save_own(layout, num_heads)
        with self.assertLogs(conversion.__name__, logging.INFO) as logs:
            self.convert_back(architecture)
        warnings = [
            record.getMessage()
            for record in logs.records
            if record.levelno == logging.WARNING
        ]
        if notice is None:
            self.assertEmpty(warnings)
        else:
            (warning,) = warnings
            self.assertIn(f"only for the heads of {notice}", warning)
            self.assertIn("--qkv_bias_layout=flat", warning)

    def test_tells_the_official_codes_settings(self):
        self.save_own("heads")
        with self.assertLogs(conversion.__name__, logging.INFO) as logs:
            self.convert_back()
        # 64 dimensions for each of 2 heads.
        self.assertIn(
            "EMBED_DIM 128, DEPTH 2, NUM_HEADS 2, MLP_RATIO 3.5",
            logs.output[0],
        )

    def test_refuses_and_leaves_nothing(self):
        self.convert(space=SPACE)
        outside = Architecture(64, 1, (3,), (2.0,))
        for workdir, architecture, pattern in (
            (
                self.folder / "none",
                None,
                "none/config.json does not exist",
            ),
            (self.workdir, outside, r"num_heads\[0\] is 3"),
        ):
            with self.assertRaisesRegex(errors.InputError, pattern):
                conversion.to_official(
                    workdir_lib.Workdir(workdir), self.path, architecture
                )
            self.assertEqual(list(self.folder.iterdir()), [self.workdir])

    def test_an_existing_file_is_refused_and_untouched(self):
        self.convert()
        self.path.write_text("precious")
        with self.assertRaisesRegex(errors.InputError, "pth exists already"):
            self.convert_back()
        self.assertEqual(self.path.read_text(), "precious")


if __name__ == "__main__":
    absltest.main()
