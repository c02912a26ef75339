"""The network that latencies belong to: its fixed part and its choices."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from tf_autoformer import errors
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import parsing, search_space


@dataclasses.dataclass(frozen=True)
class Network:
    """The fixed part and the choices of the subnets whose latency is known.

    `of` makes one. Two are equal if their subnets have the same latencies.

    Attributes:
      model: Fixed part, with defaults in place of what changes no latency.
      space: Choices of each dimension.
    """

    model: model_lib.ModelConfig
    space: search_space.SearchSpace

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `from_dict` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "Network":
        """Reads the JSON form.

        Raises:
          InputError: A field is missing, unknown or of the wrong type.
        """
        parsing.fields("a network", values, ("model", "space"))
        return cls(
            parsing.config(model_lib.ModelConfig, values["model"]),
            search_space.SearchSpace.from_dict(values["space"]),
        )

    def require(self, wanted: "Network") -> None:
        """Checks that this is the network that is wanted.

        Raises:
          InputError: It is not. The message names the first field that differs.
        """
        for name, found, needed in (
            *differences(self.model, wanted.model),
            *differences(self.space, wanted.space),
        ):
            raise errors.InputError(
                f"it is of a network with {name} {found}, and not {needed}; "
                "measure the network in question"
            )


def differences(first: Any, second: Any) -> Iterator[tuple[str, Any, Any]]:
    """The fields in which two of one dataclass differ, with both values."""
    for field in dataclasses.fields(first):
        pair = getattr(first, field.name), getattr(second, field.name)
        if pair[0] != pair[1]:
            yield field.name, *pair


def of(
    model: model_lib.ModelConfig, space: search_space.SearchSpace
) -> Network:
    """The network of a model and a search space."""
    default = model_lib.ModelConfig(num_classes=1)
    return Network(
        dataclasses.replace(
            model,
            drop_path=default.drop_path,
            init_stddev=default.init_stddev,
            qkv_bias_layout=default.qkv_bias_layout,
        ),
        dataclasses.replace(space, allocation=None, published=()),
    )
