"""Search spaces: the choices of each dimension, and the paper's tables."""

import dataclasses
import math

from tf_autoformer import errors
from tf_autoformer.space import architecture as architecture_lib

Architecture = architecture_lib.Architecture


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """All architectures whose every dimension is one of the choices.

    Each tuple of choices ascends. Heads and MLP ratio are chosen for each
    block by itself, embedding dimension and depth once (paper, section 3.1).
    """

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    mlp_ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            choices = getattr(self, field.name)
            if not choices or list(choices) != sorted(set(choices)):
                raise errors.InputError(
                    f"{field.name} is {choices}; choices must be given, "
                    "ascending and distinct"
                )
            if choices[0] <= 0:
                raise errors.InputError(
                    f"{field.name} is {choices}; choices must be positive"
                )

    def validate(self, architecture: Architecture) -> None:
        """Checks that `architecture` is in this space.

        Raises:
          InputError: names the field, the block, the value and the choices.
        """
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
        return self._uniform(0)

    @property
    def largest(self) -> Architecture:
        """The largest choice of every dimension: the supernet's own size."""
        return self._uniform(-1)

    @property
    def size(self) -> int:
        """The number of architectures in the space."""
        blocks = len(self.num_heads) * len(self.mlp_ratios)
        stacks: int = sum(blocks**depth for depth in self.depths)
        return len(self.embed_dims) * stacks

    def _uniform(self, index: int) -> Architecture:
        depth = self.depths[index]
        return Architecture(
            embed_dim=self.embed_dims[index],
            depth=depth,
            num_heads=(self.num_heads[index],) * depth,
            mlp_ratio=(self.mlp_ratios[index],) * depth,
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


def _choices(choices: tuple[float, ...]) -> str:
    return ", ".join(f"{choice:g}" for choice in choices)


def _check(field: str, value: float, choices: tuple[float, ...]) -> None:
    if value not in choices:
        raise errors.InputError(
            f"{field} is {value}, outside the search space; "
            f"it allows {_choices(choices)}"
        )


# Tiny, small and base: paper, table 1.
SEARCH_SPACES = {
    "tiny": SearchSpace(
        embed_dims=(192, 216, 240),
        depths=(12, 13, 14),
        num_heads=(3, 4),
        mlp_ratios=(3.5, 4.0),
    ),
    "small": SearchSpace(
        embed_dims=(320, 384, 448),
        depths=(12, 13, 14),
        num_heads=(5, 6, 7),
        mlp_ratios=(3.0, 3.5, 4.0),
    ),
    "base": SearchSpace(
        embed_dims=(528, 576, 624),
        depths=(14, 15, 16),
        num_heads=(8, 9, 10),
        mlp_ratios=(3.0, 3.5, 4.0),
    ),
    "digits": SearchSpace(
        embed_dims=(16, 32, 64, 96),
        depths=(1, 2, 3, 4),
        num_heads=(1, 2, 3, 4),
        mlp_ratios=(0.5, 1.0, 2.0, 4.0),
    ),
}
