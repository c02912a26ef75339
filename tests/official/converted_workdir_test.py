"""A converted working folder serves for export and for further training."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import devices, states
from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config as data_config
from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import (
    data_record,
    experiment,
    training_config,
    workdir,
)
from tf_autoformer.official import conversion
from tf_autoformer.serving import savedmodel
from tf_autoformer.space import search_space
from tf_autoformer.supernet import subnet
from tf_autoformer.supernet import supernet as supernet_lib
from tf_autoformer.training import loop, run_config

# Of the checkpoint's three blocks one, of its 128 dimensions 96.
SPACE = search_space.SearchSpace((64, 96), (1,), (1, 2), (2.0, 3.5))

devices.prepare()


class ConvertedWorkdirTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = workdir.Workdir(self.folder / "workdir")

    def convert(self, name: str, **untold) -> supernet_lib.Supernet:
        golden = states.golden(name)
        told = conversion.Untold(pooling=golden.pooling, **untold)
        conversion.from_official(golden.path, self.workdir, told)
        return self.load(step=0)

    def load(self, step: int) -> supernet_lib.Supernet:
        trained = self.workdir.trained(tf.distribute.get_strategy())
        self.assertEqual(trained.step, step)
        return trained.supernet

    @parameterized.parameters(*states.NAMES)
    def test_exports_give_the_official_logits(self, name):
        golden, source = states.golden(name), datasets.source("digits")
        supernet = self.convert(name)
        images = golden.images * np.float32(source.std)
        images = tf.constant(images + np.float32(source.mean))
        folder = self.folder / "export" / "1"
        savedmodel.export(supernet, golden.architectures[0], source, folder)
        exported = tf.saved_model.load(str(folder)).signatures
        answers = [exported["serving_default"](images=images)["logits"]]
        for architecture in golden.architectures[1:]:
            standalone = subnet.inherit(supernet, architecture)
            answers.append(standalone(golden.images))
        for found, logits in zip(answers, golden.logits, strict=True):
            np.testing.assert_allclose(found, logits, atol=1e-4, rtol=0)

    def test_training_continues_from_the_weights(self):
        imported = self.convert("supernet_small_gap", space=SPACE)
        self.assertEqual(
            workdir.Workdir(self.workdir.root).data_record,
            data_record.DataRecord(datasets.source("digits"), {}),
        )
        self.assertIsNone(
            json.loads(self.workdir.config.read_text())["training"]
        )
        recipe = training_config.TrainingConfig(
            epochs=0.014,
            batch_size=8,
            learning_rate=1e-3,
            warmup_epochs=0,
            weight_decay=0,
        )
        wanted = dataclasses.replace(
            self.workdir.experiment,
            training=recipe,
            augmentation=data_config.NONE,
        )
        data_dir = self.create_tempdir().full_path

        def trainer(of: experiment.Experiment) -> loop.Trainer:
            return loop.Trainer(
                of,
                self.workdir,
                data_dir,
                run_config.RunConfig(watched_subnets=0),
                tf.distribute.MirroredStrategy(["/cpu:0"]),
            )

        training = trainer(wanted)
        self.assertEqual(training.total_steps, 2)
        training.train()

        again = workdir.Workdir(self.workdir.root)
        self.assertEqual(again.experiment, wanted)
        trained = self.load(step=2)
        moved = {}
        for name, layer in imported.elastic_layers().items():
            for weight in layer.axes:
                before = getattr(layer, weight).numpy()
                after = getattr(trained.elastic_layers()[name], weight)
                moved[name, weight] = np.abs(after.numpy() - before)
        # Two steps of Adam move no weight by more than twice their rates.
        self.assertBetween(max(map(np.max, moved.values())), 1e-4, 2.1e-3)
        self.assertGreater(np.mean(moved["head", "kernel"][:64] > 0), 0.9)
        # No subnet of the given space has these.
        self.assertEqual(moved["head", "kernel"][96:].max(), 0)
        self.assertEqual(moved["block_1.attention", "qkv_kernel"].max(), 0)

        other = dataclasses.replace(recipe, seed=1)
        with self.assertRaisesRegex(errors.InputError, r"training\.seed 0"):
            trainer(dataclasses.replace(wanted, training=other))


if __name__ == "__main__":
    absltest.main()
