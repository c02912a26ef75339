"""The order in which the subnets of a generation share their prefixes.

Subnets with the same embedding dimension and the same first half blocks have
the same tokens behind them. The subnets are the leaves of a trie, and each of
its nodes is evaluated once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents

# Numbers of parts. The halves of the blocks follow: attention, MLP, and so on.
STEM, HEAD, HALVES = 0, 1, 2


class Part(NamedTuple):
    """A part of a subnet.

    Attributes:
      number: Number of the part, as in `parts.grouped`.
      embed_dim: Embedding dimension.
      size: Number of heads or of hidden units. 0 for stem and head.
    """

    number: int
    embed_dim: int
    size: int


class Step(NamedTuple):
    """The evaluation of a part. See `walk`.

    Attributes:
      part: Part to evaluate.
      is_last: Whether no later step has the same input.
      subnet: Position of the architecture that ends with the part, which is a
        head. None for other parts.
    """

    part: Part
    is_last: bool
    subnet: int | None


def walk(
    architectures: Sequence[architecture_lib.Architecture],
) -> list[Step]:
    """The steps that evaluate all architectures.

    What later steps need is a stack, which at first holds the images. A step
    takes its input from the top, and removes it if it is the last to need it.
    It puts its output there, unless it is a head. Of the branches behind a
    part, the one with the most subnets comes last. So the stack never holds
    more than log2(architectures) + 1 entries.

    Args:
      architectures: Architectures to evaluate, all different.
    """
    paths = [_path(architecture) for architecture in architectures]

    def visit(members: Sequence[int], level: int) -> Iterator[Step]:
        branches: dict[Part, list[int]] = {}
        for member in members:
            branches.setdefault(paths[member][level], []).append(member)
        order = sorted(branches.items(), key=lambda branch: len(branch[1]))
        for number, (part, inside) in enumerate(order, 1):
            ends = part.number == HEAD
            yield Step(part, number == len(order), inside[0] if ends else None)
            if not ends:
                yield from visit(inside, level + 1)

    return list(visit(range(len(paths)), 0))


def _path(architecture: architecture_lib.Architecture) -> list[Part]:
    """The parts of a subnet, in the order of the forward pass."""
    subnet = extents.of(architecture)
    blocks = zip(subnet.num_heads, subnet.hidden_dim, strict=True)
    sizes = [size for block in blocks for size in block]
    return [
        Part(STEM, subnet.embed_dim, 0),
        *(
            Part(number, subnet.embed_dim, size)
            for number, size in enumerate(sizes, HALVES)
        ),
        Part(HEAD, subnet.embed_dim, 0),
    ]
