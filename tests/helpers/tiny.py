"""The tiny networks, search spaces and experiments of the tests."""

import pathlib
import tempfile

import tensorflow as tf
from absl.testing import parameterized

from tests.helpers import shared
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.data.sources import datasets
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import training_config, weights
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import cost, model, search_space
from tf_autoformer.supernet import supernet

MODEL = model.ModelConfig(
    num_classes=5,
    image_size=12,
    patch_size=4,
    head_dim=4,
    max_relative_offset=1,
    init_stddev=0.1,
)
# The same for the digits. With larger weights, random subnets differ more.
DIGITS_MODEL = model.ModelConfig(
    num_classes=10,
    image_size=8,
    patch_size=4,
    head_dim=4,
    max_relative_offset=1,
    init_stddev=0.3,
)
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
# It has one depth, so that a training step has one trace.
SMALL_SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(1,), num_heads=(1, 2), mlp_ratios=(0.5, 1.0)
)


def experiment(**training) -> experiment_lib.Experiment:
    """An experiment on the digits, without augmentation.

    Args:
      **training: Fields of `TrainingConfig` that differ from the defaults.
    """
    return experiment_lib.Experiment(
        dataset="digits",
        model=MODEL,
        space=SPACE,
        training=training_config.TrainingConfig(**training),
        augmentation=augmentation_config.NONE,
    )


# A cost of run time. In `SPACE` it is 1.5 to 3.
LATENCY = cost.Cost(
    "latency",
    "ms",
    lambda _, subnet: subnet.depth + subnet.embed_dim / 16,
    "milliseconds for one image",
)


def workdir(root: str) -> workdir_lib.Workdir:
    """A working folder of a supernet for the digits, with random weights.

    Args:
      root: Path of the folder to make.
    """
    made = workdir_lib.Workdir(pathlib.Path(root))
    made.claim(
        experiment_lib.Experiment("digits", DIGITS_MODEL, SPACE, training=None)
    )
    tf.keras.utils.set_random_seed(0)
    weights.save(made.checkpoints, supernet.Supernet(DIGITS_MODEL, SPACE))
    return made


class DigitsTest(parameterized.TestCase):
    """Tests on the digits.

    Attributes:
      root: Path of a folder for all of them.
      data_dir: Folder of prepared data sets.
      dataset: The digits.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = folder.name
        cls.data_dir = str(shared.digits())
        cls.dataset = datasets.load("digits", cls.data_dir)


class WorkdirTest(DigitsTest):
    """Tests of a supernet for the digits, with random weights.

    Attributes:
      workdir: Its working folder. See `workdir`.
      supernet: The supernet.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.workdir = workdir(f"{cls.root}/workdir")
        strategy = tf.distribute.get_strategy()
        cls.supernet = cls.workdir.trained(strategy).supernet
