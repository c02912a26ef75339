"""A network that learns from a teacher as well as from the labels."""

from typing import Any, Protocol

import tensorflow as tf

from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.experiment import teacher as teacher_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.finetuning import finetuning_config
from tf_autoformer.supernet import subnet as subnet_lib


class Teacher(Protocol):
    """A classifier to learn from."""

    def targets(self, images: tf.Tensor) -> tf.Tensor:
        """The share of each class, float32 [batch, classes]."""


class LargestSubnet:
    """The largest subnet of a supernet, with inherited weights.

    Args:
      workdir: Working folder of the supernet.
      source: Classes and pixels of the student.
      soft: Whether the targets are probabilities, and no one-hot classes.
      data_dir: Folder of prepared data sets. None: TFDS's default.

    Raises:
      InputError: The supernet lacks a class.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        source: source_lib.Source,
        soft: bool,
        data_dir: str | None = None,
    ):
        trained = workdir.trained(tf.distribute.get_strategy(), data_dir)
        experiment = workdir.experiment
        subnet = experiment.architecture or experiment.space.largest
        self._subnet = subnet_lib.inherit(trained.supernet, subnet)
        self._known = trained.source
        self._source = source
        self._soft = soft
        self._places = source_lib.positions(
            source.labels, trained.source.labels
        )

    def targets(self, images: tf.Tensor) -> tf.Tensor:
        """See `Teacher`. `images` are normalized as for the student."""
        source, known = self._source, self._known
        images = preprocessing.denormalize(images, source.mean, source.std)
        size = tuple(self._subnet.input_shape[1:3])
        if size != tuple(images.shape[1:3]):
            images = preprocessing.resize(images, size)
        images = preprocessing.normalize(images, known.mean, known.std)
        logits = tf.gather(self._subnet(images), self._places, axis=1)
        if self._soft:
            return tf.nn.softmax(logits)
        return tf.one_hot(tf.argmax(logits, axis=1), source.num_classes)


def teacher(
    task: finetuning_config.Task,
    source: source_lib.Source,
    data_dir: str | None = None,
) -> Teacher | None:
    """The teacher of a task, if it has one.

    Args:
      task: Recipe and supernet.
      source: Classes and pixels of the student.
      data_dir: Folder of prepared data sets. None: TFDS's default.

    Raises:
      InputError: The teacher cannot be used. See `Teacher`.
    """
    recipe = task.recipe
    if not recipe.teacher:
        return None
    soft = recipe.distillation == "soft"
    if recipe.teacher == finetuning_config.LARGEST:
        workdir = workdir_lib.Workdir(task.initial.supernet)
        return LargestSubnet(workdir, source, soft, data_dir)
    return teacher_lib.Teacher(recipe.teacher, source, soft)


class Student(tf.keras.Model):
    """A functional model whose training targets are half a teacher's.

    The cross-entropy is linear in the targets. So half of the loss is that of
    the teacher, as in the training of a supernet.

    Args:
      network: Network to train, which stays the owner of the weights.
      teacher: Teacher.
    """

    def __init__(self, network: tf.keras.Model, teacher: Teacher):
        super().__init__(network.input, network.output)
        self._targets = teacher.targets

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of Keras, with mixed targets."""
        images, targets = data
        mixed = (targets + self._targets(images)) / 2
        return super().train_step((images, mixed))
