"""How one subnet is fine-tuned, or trained from scratch."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Literal

from tf_autoformer import errors, rules
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.space import architecture as architecture_lib

# Value of `FinetuningConfig.teacher` for the largest subnet.
LARGEST = "largest"


@dataclasses.dataclass(frozen=True)
class InitialConfig:
    """Origin of the network and of its first weights.

    Attributes:
      init: First weights. "inherited": those that a supernet holds for the
        subnet. "export": those of an exported subnet. "random": new ones, so
        that the subnet is trained from scratch.
      supernet: Working folder of a supernet or of a fine-tuned network. Needed
        to inherit. With random weights it tells the architecture's network.
      architecture: Subnet of the supernet, or to train from scratch. A
        fine-tuned network has only one, and an export tells its own.
      export: Folder of an exported subnet.
    """

    init: Literal["inherited", "export", "random"] = "inherited"
    supernet: pathlib.Path | None = rules.field(None, rules.LITERAL_PATH)
    architecture: architecture_lib.Architecture | None = None
    export: pathlib.Path | None = rules.field(None, rules.LITERAL_PATH)

    def __post_init__(self) -> None:
        rules.check(self)
        needed = {
            "inherited": self.supernet,
            "export": self.export,
            "random": self.supernet or self.architecture,
        }
        if needed[self.init] is None:
            names = {"inherited": "supernet", "random": "architecture"}
            raise errors.InputError(
                f"init is {self.init}; it needs "
                f"{names.get(self.init, 'export')}, which is not given"
            )
        useless = "architecture" if self.init == "export" else "export"
        if getattr(self, useless) is not None:
            raise errors.InputError(
                f"{useless} is given; it is of no use with init {self.init}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form. Its paths hold in any directory."""
        values: dict[str, Any] = {"init": self.init}
        for name in ("supernet", "export"):
            path = getattr(self, name)
            values[name] = None if path is None else os.path.abspath(path)
        subnet = self.architecture
        values["architecture"] = None if subnet is None else subnet.to_dict()
        return values


@dataclasses.dataclass(frozen=True)
class FinetuningConfig:
    """The recipe (paper, supplementary material, transfer learning).

    Attributes:
      optimizer: "adamw", or "sgd" with momentum and decoupled weight decay.
      epochs: Passes over the training split.
      batch_size: Images per step, over all replicas.
      learning_rate: Learning rate after the warm-up.
      min_learning_rate: Learning rate at the end of the cosine. That of
        `learning_rate`: it stays the same.
      warmup_epochs: Length of the linear growth from `warmup_learning_rate`,
        in epochs.
      warmup_learning_rate: Learning rate at step 0 of a warm-up.
      momentum: Momentum of "sgd".
      weight_decay: Decoupled weight decay, times the learning rate of the step.
        It applies to kernels, not to biases, norms and embeddings.
      label_smoothing: Share of the target that is spread over all classes.
      ema_decay: Decay of the moving average of the weights, to which it grows
        in the first steps. The result is then the last average. 0: no average,
        and the result has the best validation accuracy.
      teacher: Classifier to distil from: a SavedModel, or "largest" for the
        largest subnet of the supernet. Its targets count half. Empty: none.
      distillation: The teacher's targets. "hard": its likeliest class. "soft":
        its probabilities.
      seed: Seed of new weights, data order, augmentation and drop path.
      precision: Precision of activations and matrix products. Weights are
        always float32.
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    epochs: int = rules.field(100, rules.POSITIVE)
    batch_size: int = rules.field(64, rules.POSITIVE)
    learning_rate: float = rules.field(5e-4, rules.POSITIVE)
    min_learning_rate: float = rules.field(1e-6, rules.NOT_NEGATIVE)
    warmup_epochs: float = rules.field(0.0, rules.NOT_NEGATIVE)
    warmup_learning_rate: float = rules.field(1e-6, rules.NOT_NEGATIVE)
    momentum: float = rules.field(0.9, rules.NOT_NEGATIVE, rules.below(1))
    weight_decay: float = rules.field(1e-8, rules.NOT_NEGATIVE)
    label_smoothing: float = rules.field(
        0.1, rules.NOT_NEGATIVE, rules.below(1)
    )
    ema_decay: float = rules.field(0.0, rules.NOT_NEGATIVE, rules.below(1))
    teacher: str = rules.field("", rules.UTF8_PATH, rules.LITERAL_PATH)
    distillation: Literal["hard", "soft"] = "hard"
    seed: int = rules.field(0, *rules.SEED)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"

    def __post_init__(self) -> None:
        rules.check(self)
        for name, most in (
            ("min_learning_rate", "learning_rate"),
            ("warmup_epochs", "epochs"),
        ):
            value, limit = getattr(self, name), getattr(self, most)
            if value > limit:
                raise errors.InputError(
                    f"{name} is {value}; it must not exceed {most}, {limit}"
                )

    def steps_per_epoch(self, num_examples: int) -> int:
        """The number of steps of a pass over this number of images."""
        return max(1, round(num_examples / self.batch_size))


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How a fine-tuning is run and shown.

    Attributes:
      strategy: Devices to train on. "mirrored": all GPUs of this machine, or
        its CPU. "one_device": one of them.
      log_every: Steps between progress lines and TensorBoard scalars.
      evaluate_every: Epochs between evaluations on the validation split. The
        last epoch is always evaluated.
      backup_every: Steps between backups, from which the same command goes on.
    """

    strategy: Literal["mirrored", "one_device"] = "mirrored"
    log_every: int = rules.field(100, rules.at_least(1))
    evaluate_every: int = rules.field(1, rules.at_least(1))
    backup_every: int = rules.field(500, rules.at_least(1))

    def __post_init__(self) -> None:
        rules.check(self)


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that decides the result of a fine-tuning.

    Attributes:
      initial: Origin of the network and of its first weights.
      recipe: How it is trained.
      augmentation: How training images are changed.
      model: Given fields of the network.
      dataset: Name of the data set. None: the supernet's.
      max_image_pixels: Largest number of pixels of an image. None: as for the
        supernet, or else the default.
    """

    initial: InitialConfig
    recipe: FinetuningConfig
    augmentation: augmentation_config.AugmentationConfig
    model: Mapping[str, Any]
    dataset: str | None = None
    max_image_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.recipe.teacher == LARGEST and self.initial.supernet is None:
            raise errors.InputError(
                f"teacher is {LARGEST}; it needs supernet, which is not given"
            )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, by which two tasks are compared."""
        return {
            "version": 1,
            "initial": self.initial.to_dict(),
            "recipe": dataclasses.asdict(self.recipe),
            "augmentation": dataclasses.asdict(self.augmentation),
            "model": dict(self.model),
            "dataset": self.dataset,
            "max_image_pixels": self.max_image_pixels,
        }
