"""The subnets that the paper published, as architecture files."""

import functools
import pathlib

from tf_autoformer.space import architecture

_FOLDER = pathlib.Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@functools.cache
def load(name: str) -> architecture.Architecture:
    """The published subnet of this name.

    Args:
      name: Name of the subnet: autoformer_t, autoformer_s or autoformer_b.

    Raises:
      InputError: The subnet's file is missing or damaged.
    """
    return architecture.Architecture.load(_FOLDER / f"{name}.json")
