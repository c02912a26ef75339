"""One architecture: the dimensions that the search chooses."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.space import parsing


def hidden_dim(embed_dim: int, mlp_ratio: float) -> int:
    """The number of hidden units of a block's MLP."""
    return int(embed_dim * mlp_ratio)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A subnet's dimensions (paper, section 3.1).

    Attributes:
      embed_dim: Embedding dimension of the whole network.
      depth: Number of transformer blocks.
      num_heads: Number of attention heads of each block, `depth` entries.
      mlp_ratio: Hidden over embedding dimension of each block's MLP, `depth`
        entries.
    """

    embed_dim: int
    depth: int
    num_heads: tuple[int, ...]
    mlp_ratio: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in ("num_heads", "mlp_ratio"):
            entries = len(getattr(self, field))
            if entries != self.depth:
                raise errors.InputError(
                    f"{field} has {entries} entries for depth {self.depth}; "
                    "it needs one for each block"
                )
        for block, ratio in enumerate(self.mlp_ratio):
            if hidden_dim(self.embed_dim, ratio) < 1:
                raise errors.InputError(
                    f"mlp_ratio[{block}] is {ratio:g}; times embed_dim, "
                    f"{self.embed_dim}, it must be 1 hidden unit or more"
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Architecture":
        """Reads the JSON form, `{"embed_dim": 384, "depth": 13, ...}`.

        Raises:
          InputError: A field is missing, unknown or of the wrong type.
        """
        fields = [field.name for field in dataclasses.fields(cls)]
        values = parsing.fields("an architecture", values, fields)
        return cls(
            embed_dim=parsing.integer("embed_dim", values["embed_dim"]),
            depth=parsing.integer("depth", values["depth"]),
            num_heads=parsing.integers("num_heads", values["num_heads"]),
            mlp_ratio=parsing.numbers("mlp_ratio", values["mlp_ratio"]),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Architecture":
        """Reads a JSON file, which errors name. See `from_dict`."""
        values = files.read_json(path)
        with errors.about(path):
            return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form that `from_dict` reads."""
        return {
            "embed_dim": self.embed_dim,
            "depth": self.depth,
            "num_heads": list(self.num_heads),
            "mlp_ratio": list(self.mlp_ratio),
        }


def load_all(path: str | os.PathLike[str]) -> list[Architecture]:
    """The different architectures of a JSON file, in their order.

    The file holds one architecture or a list. A candidate of a search may take
    the place of an architecture, as in `front.json`.

    Raises:
      InputError: The file is missing, holds none or something else.
    """
    values = files.read_json(path)
    listed = values if isinstance(values, list) else [values]
    if not listed:
        raise errors.InputError(f"{path} holds no architecture")
    with errors.about(path):
        found = [
            Architecture.from_dict(
                each["architecture"]
                if isinstance(each, dict) and "architecture" in each
                else each
            )
            for each in listed
        ]
    return list(dict.fromkeys(found))
