"""The experiment of a working folder: everything that decides its result."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_autoformer import errors, rules
from tf_autoformer.data import pixel_limit
from tf_autoformer.data.augmentation import augmentation_config
from tf_autoformer.experiment import training_config
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import parsing, search_space

# Version of the JSON form. Version 1 had no such number.
VERSION = 2
# Of folders from before there was the field.
_FIRST_MAX_PIXELS = 89_478_485


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A supernet, its search space, and how it is trained.

    Attributes:
      dataset: Name of the data set.
      model: Fixed part of the network.
      space: Architectures of the supernet.
      training: Training recipe. None for weights from elsewhere, until they
        are trained further.
      augmentation: Part of the recipe that changes images. None if `training`
        is.
      max_image_pixels: Largest number of pixels of an image of the data set.
      architecture: The one subnet of a network that was fine-tuned or trained
        from scratch. `space` is then the smallest that contains it. None: a
        supernet, which has many.
    """

    dataset: str
    model: model_lib.ModelConfig
    space: search_space.SearchSpace
    training: training_config.TrainingConfig | None
    augmentation: augmentation_config.AugmentationConfig | None = None
    max_image_pixels: int = rules.field(pixel_limit.PIXELS, *pixel_limit.RULES)
    architecture: architecture_lib.Architecture | None = None

    def __post_init__(self) -> None:
        rules.check(self)
        if self.architecture is not None:
            self.space.validate(self.architecture)

    def subnet(
        self, wanted: architecture_lib.Architecture | None
    ) -> architecture_lib.Architecture:
        """The subnet that a command works on.

        Args:
          wanted: Architecture that the command names. None: the one of a
            fine-tuned network.

        Raises:
          InputError: There is no weight for the architecture, or none is named
            and there are many.
        """
        if self.architecture is None:
            if wanted is None:
                raise errors.InputError(
                    "architecture is not given; it must be, as a supernet has "
                    "many"
                )
            self.space.validate(wanted)
            return wanted
        if wanted not in (None, self.architecture):
            raise errors.InputError(
                "architecture is another one than that of the fine-tuned "
                f"network, {self.architecture.to_dict()}; leave it out"
            )
        return self.architecture

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `from_dict` reads."""
        return {"version": VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Any) -> "Experiment":
        """Reads the JSON form of any version so far.

        A field that an older version lacks gets the value that reproduces the
        behaviour from before the field existed.

        Args:
          values: Parsed JSON.

        Raises:
          InputError: A field is missing, unknown or of the wrong type, or
            breaks a rule.
        """
        # First: a later version may have fields that are unknown here.
        is_mapping = isinstance(values, Mapping)
        version = values.get("version", 1) if is_mapping else 1
        if version not in range(1, VERSION + 1):
            raise errors.InputError(
                f"version is {errors.shown(version)}; this program "
                f"reads 1 to {VERSION}"
            )
        required = ("dataset", "model", "space", "training")
        parsing.fields(
            "an experiment",
            values,
            required,
            ("version", "augmentation", "max_image_pixels", "architecture"),
        )
        architecture = values.get("architecture")
        return cls(
            dataset=parsing.typed("dataset", values["dataset"], str),
            model=parsing.config(model_lib.ModelConfig, values["model"]),
            space=search_space.SearchSpace.from_dict(values["space"]),
            max_image_pixels=parsing.typed(
                "max_image_pixels",
                values.get("max_image_pixels", _FIRST_MAX_PIXELS),
                int,
            ),
            architecture=None
            if architecture is None
            else architecture_lib.Architecture.from_dict(architecture),
            **{
                name: None
                if values.get(name) is None
                else parsing.config(kind, values[name])
                for name, kind in _RECIPE.items()
            },
        )


# Experiment of a command that says nothing else.
DEFAULT = Experiment(
    dataset="digits",
    model=model_lib.ModelConfig(num_classes=10),
    space=search_space.SEARCH_SPACES["tiny"],
    training=training_config.TrainingConfig(),
    augmentation=augmentation_config.AugmentationConfig(),
)

_RECIPE = {
    "training": training_config.TrainingConfig,
    "augmentation": augmentation_config.AugmentationConfig,
}
