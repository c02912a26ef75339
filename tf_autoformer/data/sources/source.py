"""What a network must know of the images that it is trained on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tf_autoformer import errors, rules
from tf_autoformer.space import parsing

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
CROP = 0.875  # 224 pixels out of 256, as ImageNet is usually evaluated.
_PART = rules.Rule("above 0, up to 1", lambda value: 0 < value <= 1)
_LISTED = 10  # Names of classes in a message, at most.


@dataclasses.dataclass(frozen=True)
class Source:
    """Properties of a data set that are known without reading its images.

    They go with a supernet that is trained on it, to wherever the supernet or
    its subnets see other images.

    Attributes:
      labels: Names of the classes, in order.
      mean: Mean of each channel over the training images, whose pixels are in
        [0, 1]. Default: ImageNet's.
      std: Standard deviation of each channel. Default: ImageNet's.
      crop: Share of the sides that is kept. See `data.preprocessing.to_rgb`.
    """

    labels: tuple[str, ...]
    mean: tuple[float, float, float] = _IMAGENET_MEAN
    std: tuple[float, float, float] = _IMAGENET_STD
    crop: float | None = CROP

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.labels)

    @property
    def is_numbered(self) -> bool:
        """Whether the names are numbers, as those of unknown classes are."""
        return self.labels == tuple(map(str, range(self.num_classes)))

    @classmethod
    def from_dict(cls, values: Any) -> "Source":
        """Reads the JSON form, which is `dataclasses.asdict`.

        Raises:
          InputError: A field is missing, unknown or of the wrong type, or
            breaks a rule.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        parsing.fields("a data set", values, names)
        labels = values["labels"]
        if not isinstance(labels, list) or not labels:
            raise errors.InputError(
                f"labels is {errors.shown(labels)}; it must be a list of names"
            )
        found = cls(
            labels=tuple(parsing.typed("labels", each, str) for each in labels),
            **{
                field.name: parsing.typed(
                    field.name, values[field.name], field.type
                )
                for field in dataclasses.fields(cls)
                if field.name != "labels"
            },
        )
        is_plain = all(map(rules.is_utf8, found.labels))
        if not is_plain or len(set(found.labels)) < found.num_classes:
            raise errors.InputError(
                f"labels is {errors.shown(labels)}; its names must differ and "
                "be in UTF-8"
            )
        for mean, std in zip(found.mean, found.std, strict=True):
            rules.require("mean", mean, rules.SHARE)
            rules.require("std", std, rules.POSITIVE)
            rules.require("std", std, rules.at_most(rules.LARGEST))
        if found.crop is not None:
            rules.require("crop", found.crop, _PART)
        return found


def positions(labels: Sequence[str], known: Sequence[str]) -> tuple[int, ...]:
    """The places of classes among those that a supernet knows, by name.

    Args:
      labels: Names of the classes of some data set.
      known: Names of the classes of the supernet, in order.

    Raises:
      InputError: The supernet does not know a class. The message names the
        first.
    """
    place = {name: number for number, name in enumerate(known)}
    for number, name in enumerate(labels):
        if name not in place:
            raise errors.InputError(
                f"class {number}, {name!r}, is none of the supernet's "
                f"{len(known)} classes: "
                f"{errors.listed(list(map(repr, known)), _LISTED)}"
            )
    return tuple(place[name] for name in labels)
