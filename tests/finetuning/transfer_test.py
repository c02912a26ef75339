"""Each transfer flag file is a row of the specification, and runs."""

import dataclasses
import math
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import absltest, parameterized

from tests.helpers import commands, eager, options, tiny
from tf_autoformer import finetune
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import finetuning_config, fit, optimizers

# Training images of the data sets, the withheld ones left out.
IMAGES = {
    "imagenet2012": 1_271_167,
    "cifar10": 45_000,
    "cifar100": 45_000,
    "cars196": 7_330,
    "oxford_flowers102": 1_836,
    "oxford_iiit_pet": 3_312,
}
# File -> data set, optimizer, first and last learning rate, weight decay,
# epochs, size.
ROWS = {
    "imagenet_384": ("imagenet2012", "adamw", 1e-6, 1e-7, 5e-2, 30, 384),
    "cifar10": ("cifar10", "sgd", 1e-2, 1e-2, 1e-8, 1000, 224),
    "cifar100": ("cifar100", "sgd", 1e-2, 1e-2, 1e-8, 1000, 224),
    "cars": ("cars196", "sgd", 1e-2, 1e-2, 1e-8, 1000, 384),
    "flowers": ("oxford_flowers102", "adamw", 5e-4, 1e-6, 1e-8, 1000, 384),
    "pets": ("oxford_iiit_pet", "adamw", 5e-4, 1e-6, 1e-8, 1000, 384),
}


def _task(name: str) -> finetuning_config.Task:
    """The task of a flag file."""
    return finetune.task(
        options.parse(
            finetune.Options,
            f"--flagfile={commands.ROOT}/flags/transfer/{name}.flags",
            "--supernet=supernet",
            "--architecture=autoformer_s",
            "--workdir=new",
        )
    )


def _cosine(first: float, last: float, step: int, total: int) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * step / total)) / 2


def _blank(feature: Any) -> Any:
    """A value of a feature that nobody reads."""
    if isinstance(feature, tfds.features.ClassLabel):
        return 0
    if isinstance(feature, tfds.features.Image):
        return np.zeros([20, 20, feature.shape[-1]], np.uint8)
    if isinstance(feature, tfds.features.BBoxFeature):
        return tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
    return "x" if feature.dtype in (tf.string, np.str_, str) else 0


def _prepare(name: str, folder: str) -> None:
    """Prepares a data set of the publisher's form, of three classes."""
    builder = tfds.builder(name, data_dir=folder)
    rng = np.random.default_rng(0)

    def examples(split: str):
        for number in range(15):
            shape = builder.info.features["image"].shape
            size = [side or 20 for side in shape]
            example = {
                key: _blank(feature)
                for key, feature in builder.info.features.items()
            }
            example["image"] = rng.integers(0, 256, size, np.uint8)
            example["label"] = number % 3
            yield f"{split}_{number}", example

    splits = {split: examples(split) for split in ("train", "validation")}
    with mock.patch.object(
        type(builder), "_split_generators", lambda *_, **__: splits
    ):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )


class TransferTest(tiny.WorkdirTest):
    @parameterized.parameters(*ROWS)
    def test_a_flag_file_is_the_specifications_row(self, name):
        dataset, optimizer, first, last, decay, epochs, size = ROWS[name]
        task = _task(name)
        recipe = task.recipe
        self.assertEqual(task.dataset, dataset)
        self.assertEqual(task.initial.init, "inherited")
        self.assertEqual(
            (recipe.optimizer, recipe.weight_decay), (optimizer, decay)
        )
        self.assertEqual((recipe.epochs, recipe.batch_size), (epochs, 64))
        self.assertEqual(recipe.warmup_epochs, 0)
        self.assertEqual(recipe.momentum, 0.9)
        self.assertEqual(task.model, {"image_size": size})
        # The supernet's, which are the defaults.
        self.assertEqual(
            task.augmentation, augmentation_config.AugmentationConfig()
        )
        self.assertEqual(recipe.label_smoothing, 0.1)
        steps = recipe.steps_per_epoch(IMAGES[dataset])
        self.assertEqual(steps, round(IMAGES[dataset] / 64))
        rates = optimizers.rates(recipe, steps)
        total = epochs * steps
        for step in (0, 1, 2, total // 3, total // 2, total - 1, total):
            np.testing.assert_allclose(
                float(rates(step)), _cosine(first, last, step, total), rtol=1e-4
            )

    @parameterized.parameters(*ROWS)
    def test_a_flag_file_takes_three_steps(self, name):
        dataset, _, first, last, *_ = ROWS[name]
        folder = self.create_tempdir().full_path
        _prepare(dataset, folder)
        task = _task(name)
        # The recipe of the file, but three steps of a tiny network.
        task = dataclasses.replace(
            task,
            initial=finetuning_config.InitialConfig(
                supernet=self.workdir.root, architecture=tiny.SPACE.smallest
            ),
            recipe=dataclasses.replace(task.recipe, epochs=3),
            augmentation=augmentation_config.NONE,
            model={"image_size": 12},
        )
        workdir = workdir_lib.Workdir(f"{folder}/workdir")
        run = finetuning_config.RunConfig(
            strategy="one_device", log_every=1, evaluate_every=3
        )

        with eager.steps():
            fit.run(task, workdir, folder, run)

        events = commands.events(workdir.logs / "train")
        rates = [
            float(tf.make_ndarray(event.tensor_proto))
            for event in events["epoch_learning_rate"]
        ]
        np.testing.assert_allclose(  # Each is the next step's.
            rates,
            [_cosine(first, last, step, 3) for step in (1, 2, 3)],
            rtol=1e-5,
        )
        found = workdir_lib.Workdir(workdir.root)
        self.assertEqual(found.experiment.dataset, dataset)
        self.assertEqual(found.experiment.model.image_size, 12)
        supernet = found.trained(tf.distribute.get_strategy()).supernet
        self.assertEqual(
            supernet.head.bias.shape, [found.data_record.source.num_classes]
        )


if __name__ == "__main__":
    absltest.main()
