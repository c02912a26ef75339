"""Search spaces: the choices of each dimension, and the paper's tables."""

import dataclasses
import math
import os
from typing import Any

from tf_autoformer import errors, files
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import parsing, published

Architecture = architecture_lib.Architecture


@dataclasses.dataclass(frozen=True)
class Allocation:
    """The size of a supernet. All blocks are alike.

    Attributes:
      embed_dim: Embedding dimension.
      depth: Number of transformer blocks.
      num_heads: Number of attention heads of a block.
      mlp_ratio: Hidden over embedding dimension of a block's MLP.
    """

    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float

    @property
    def architecture(self) -> Architecture:
        """The largest subnet that fits."""
        return _uniform(
            self.embed_dim, self.depth, self.num_heads, self.mlp_ratio
        )


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """All architectures whose every dimension is one of the choices.

    Each tuple of choices ascends. Heads and MLP ratio are chosen for each
    block by itself, embedding dimension and depth once (paper, section 3.1).

    Attributes:
      embed_dims: Choices of the embedding dimension.
      depths: Choices of the depth.
      num_heads: Choices of the number of heads.
      mlp_ratios: Choices of the MLP ratio.
      allocation: Size of the supernet. None: the largest choices.
      published: Names of subnets in `space.published` that belong to this
        space, even if a dimension is none of the choices.
    """

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    mlp_ratios: tuple[float, ...]
    allocation: Allocation | None = None
    published: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _CHOICES:
            choices = getattr(self, name)
            if not choices or list(choices) != sorted(set(choices)):
                raise errors.InputError(
                    f"{name} is {choices}; choices must be given, ascending "
                    "and distinct"
                )
            if choices[0] <= 0:
                raise errors.InputError(
                    f"{name} is {choices}; choices must be positive"
                )
        # Else two candidates are one, or an MLP is none.
        for embed_dim in self.embed_dims:
            units = [
                architecture_lib.hidden_dim(embed_dim, ratio)
                for ratio in self.mlp_ratios
            ]
            if units[0] < 1 or len(set(units)) < len(units):
                raise errors.InputError(
                    f"mlp_ratios is {self.mlp_ratios}; each must give more "
                    "hidden units than the one before, the first at least 1; "
                    f"with embed_dim {embed_dim} they give "
                    f"{', '.join(map(str, units))}"
                )
        if self.allocation is not None:
            self._require_fit(self.allocation)

    def _require_fit(self, allocation: Allocation) -> None:
        """Raises unless the supernet holds every choice."""
        # The hidden units must fit, whatever the ratio is called.
        units, needed = (
            architecture_lib.hidden_dim(subnet.embed_dim, subnet.mlp_ratio[0])
            for subnet in (allocation.architecture, self.largest)
        )
        for name, size, largest, unit in (
            ("embed_dims", allocation.embed_dim, self.embed_dims[-1], ""),
            ("depths", allocation.depth, self.depths[-1], ""),
            ("num_heads", allocation.num_heads, self.num_heads[-1], ""),
            ("mlp_ratios", units, needed, " hidden units"),
        ):
            if size < largest:
                raise errors.InputError(
                    f"{name} is {getattr(self, name)}, which needs "
                    f"{largest}{unit}; the supernet has {size}"
                )

    @classmethod
    def from_dict(cls, values: Any) -> "SearchSpace":
        """Reads the JSON form: a mapping of the fields.

        Only the choices are required.

        Raises:
          InputError: A field is missing, unknown or of the wrong type.
        """
        values = parsing.fields(
            "a search space", values, _CHOICES, ["allocation", "published"]
        )
        names = values.get("published", [])
        if not isinstance(names, list) or any(
            name not in published.NAMES for name in names
        ):
            raise errors.InputError(
                f"published is {errors.shown(names)}; it must be a list of "
                f"some of {', '.join(published.NAMES)}"
            )
        return cls(
            embed_dims=parsing.integers("embed_dims", values["embed_dims"]),
            depths=parsing.integers("depths", values["depths"]),
            num_heads=parsing.integers("num_heads", values["num_heads"]),
            mlp_ratios=parsing.numbers("mlp_ratios", values["mlp_ratios"]),
            allocation=_allocation(values.get("allocation")),
            published=tuple(names),
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SearchSpace":
        """Reads a JSON file, which errors name. See `from_dict`."""
        values = files.read_json(path)
        with errors.about(path):
            return cls.from_dict(values)

    def validate(self, architecture: Architecture) -> None:
        """Checks that `architecture` is in this space.

        The published-subnet rule: a published subnet of this space is in it,
        whatever its dimensions.

        Raises:
          InputError: The architecture is outside. The message names the
            field, the block, the value and the choices.
        """
        if self.rule_for(architecture) is None:
            self._require_choices(architecture)

    def rule_for(self, architecture: Architecture) -> str | None:
        """The rule that lets an architecture outside the choices in.

        Returns:
          One line, or None if no rule is needed or none applies.
        """
        for name in self.published:
            if architecture == published.load(name):
                try:
                    self._require_choices(architecture)
                except errors.InputError as error:
                    return (
                        f"{name} is accepted as a published subnet of this "
                        f"space, though {error}"
                    )
        return None

    def _require_choices(self, architecture: Architecture) -> None:
        _check("embed_dim", architecture.embed_dim, self.embed_dims)
        _check("depth", architecture.depth, self.depths)
        for layer in range(architecture.depth):
            _check(
                f"num_heads[{layer}]",
                architecture.num_heads[layer],
                self.num_heads,
            )
            _check(
                f"mlp_ratio[{layer}]",
                architecture.mlp_ratio[layer],
                self.mlp_ratios,
            )

    @property
    def smallest(self) -> Architecture:
        """The smallest choice of every dimension."""
        return self._choice(0)

    @property
    def largest(self) -> Architecture:
        """The largest choice of every dimension."""
        return self._choice(-1)

    @property
    def allocated(self) -> Architecture:
        """The architecture of the whole supernet."""
        if self.allocation is None:
            return self.largest
        return self.allocation.architecture

    @property
    def size(self) -> int:
        """The number of architectures in the space."""
        blocks = len(self.num_heads) * len(self.mlp_ratios)
        stacks: int = sum(blocks**depth for depth in self.depths)
        return len(self.embed_dims) * stacks

    def _choice(self, index: int) -> Architecture:
        return _uniform(
            self.embed_dims[index],
            self.depths[index],
            self.num_heads[index],
            self.mlp_ratios[index],
        )

    def describe(self) -> str:
        """One line for a person to read."""
        return (
            f"embed dim {_choices(self.embed_dims)}; "
            f"depth {_choices(self.depths)}; "
            f"heads {_choices(self.num_heads)}; "
            f"MLP ratio {_choices(self.mlp_ratios)}: "
            f"10^{math.log10(self.size):.1f} architectures"
        )


_CHOICES = ("embed_dims", "depths", "num_heads", "mlp_ratios")


def _uniform(
    embed_dim: int, depth: int, num_heads: int, mlp_ratio: float
) -> Architecture:
    """An architecture whose blocks are all alike."""
    return Architecture(
        embed_dim, depth, (num_heads,) * depth, (mlp_ratio,) * depth
    )


def everything_in(allocation: Allocation) -> SearchSpace:
    """The space of a supernet of which only the size is known.

    It has every depth and every number of heads up to that size. Embedding
    dimensions are in steps of 8 and MLP ratios in steps of 0.5.
    """
    embed_dims = range(8, allocation.embed_dim, 8)
    dims = (*embed_dims, allocation.embed_dim)
    # Only those that give more than 0 and fewer hidden units than the largest.
    largest = architecture_lib.hidden_dim(dims[0], allocation.mlp_ratio)
    ratios = [
        step / 2
        for step in range(1, int(2 * allocation.mlp_ratio) + 1)
        if 0 < architecture_lib.hidden_dim(dims[0], step / 2) < largest
    ]
    return SearchSpace(
        embed_dims=dims,
        depths=tuple(range(1, allocation.depth + 1)),
        num_heads=tuple(range(1, allocation.num_heads + 1)),
        mlp_ratios=tuple(sorted({*ratios, allocation.mlp_ratio})),
        allocation=allocation,
    )


def containing(architecture: Architecture) -> SearchSpace:
    """The smallest space that has an architecture."""
    return SearchSpace(
        embed_dims=(architecture.embed_dim,),
        depths=(architecture.depth,),
        num_heads=tuple(sorted(set(architecture.num_heads))),
        mlp_ratios=tuple(sorted(set(architecture.mlp_ratio))),
    )


def _allocation(values: Any) -> Allocation | None:
    if values is None:
        return None
    names = [field.name for field in dataclasses.fields(Allocation)]
    parsing.fields("an allocation", values, names)
    return Allocation(
        embed_dim=parsing.integer("embed_dim", values["embed_dim"]),
        depth=parsing.integer("depth", values["depth"]),
        num_heads=parsing.integer("num_heads", values["num_heads"]),
        mlp_ratio=parsing.number("mlp_ratio", values["mlp_ratio"]),
    )


# Choices that are listed in full. Of more, the first two and the last are.
_LISTED = 10


def _choices(choices: tuple[float, ...]) -> str:
    texts = [f"{choice:g}" for choice in choices]
    if len(texts) > _LISTED:
        texts[2:-1] = ["…"]
    return ", ".join(texts)


def _check(field: str, value: float, choices: tuple[float, ...]) -> None:
    if value not in choices:
        raise errors.InputError(
            f"{field} is {value:g}, outside the search space; "
            f"it allows {_choices(choices)}"
        )


# Tiny, small and base: paper, table 1, in the official code's allocation.
SEARCH_SPACES = {
    "tiny": SearchSpace(
        embed_dims=(192, 216, 240),
        depths=(12, 13, 14),
        num_heads=(3, 4),
        mlp_ratios=(3.5, 4.0),
        allocation=Allocation(256, depth=14, num_heads=4, mlp_ratio=4.0),
        published=("autoformer_t",),
    ),
    "small": SearchSpace(
        embed_dims=(320, 384, 448),
        depths=(12, 13, 14),
        num_heads=(5, 6, 7),
        mlp_ratios=(3.0, 3.5, 4.0),
        allocation=Allocation(448, depth=14, num_heads=7, mlp_ratio=4.0),
        published=("autoformer_s",),
    ),
    "base": SearchSpace(
        embed_dims=(528, 576, 624),
        depths=(14, 15, 16),
        num_heads=(8, 9, 10),
        mlp_ratios=(3.0, 3.5, 4.0),
        allocation=Allocation(640, depth=16, num_heads=10, mlp_ratio=4.0),
        published=("autoformer_b",),
    ),
    "digits": SearchSpace(
        embed_dims=(16, 32, 64, 96),
        depths=(1, 2, 3, 4),
        num_heads=(1, 2, 3, 4),
        mlp_ratios=(0.5, 1.0, 2.0, 4.0),
    ),
}
