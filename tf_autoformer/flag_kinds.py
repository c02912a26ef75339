"""Types of fields as flags: how each is defined, and what its text means."""

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import flags

from tf_autoformer import errors, rules
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import published, search_space

# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()


class Kind(NamedTuple):
    """How the flag of a type is defined and read.

    Attributes:
      define: Defines the flag.
      convert: Makes the value of the text. None: the flag has the value.
      values: Possible values, for the help.
    """

    define: Callable[..., flags.FlagHolder] = flags.DEFINE_string
    convert: Callable[[dataclasses.Field, Any], Any] | None = None
    values: str = ""


class _ImageSizeParser(flags.ArgumentParser):
    """Reads 224 or, height first, 224x320."""

    def parse(self, argument: Any) -> model_lib.ImageSize:
        """Raises ValueError for a text that is neither."""
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(argument))
        if match is None:
            raise ValueError("must be like 224 or, height first, 224x320")
        height, width = int(match[1]), int(match[2] or match[1])
        return height if height == width else (height, width)


def _define_list(
    name: str, default: Sequence[str] | None, text: str, **more: Any
) -> flags.FlagHolder:
    default = default and list(default)
    return flags.DEFINE_list(name, default, text, **more)


def _path(field: dataclasses.Field, text: str) -> pathlib.Path:
    rules.require(field.name, text, rules.UTF8_PATH)
    path = pathlib.Path(os.path.expanduser(text))
    suffix = field.metadata.get("suffix")
    if suffix and path.suffix.lower() != suffix:
        raise errors.InputError(
            f"{field.name} is {text!r}; it must be a {suffix} file"
        )
    return path


def _architecture(
    field: dataclasses.Field, text: str
) -> architecture_lib.Architecture:
    if text in published.NAMES:
        return published.load(text)
    path = _path(field, text)
    if path.suffix != ".json" and not path.exists():
        raise errors.InputError(
            f"{field.name} is {text!r}; it must be a JSON file or one of "
            f"{', '.join(published.NAMES)}"
        )
    return architecture_lib.Architecture.load(path)


def _search_space(
    field: dataclasses.Field, text: str
) -> search_space.SearchSpace:
    if text in search_space.SEARCH_SPACES:
        return search_space.SEARCH_SPACES[text]
    path = _path(field, text)
    if path.suffix != ".json":
        raise errors.InputError(
            f"{field.name} is {text!r}; it must be one of "
            f"{', '.join(search_space.SEARCH_SPACES)} or a .json file"
        )
    return search_space.SearchSpace.load(path)


KINDS: Mapping[Any, Kind] = {
    bool: Kind(flags.DEFINE_bool),
    int: Kind(flags.DEFINE_integer),
    float: Kind(flags.DEFINE_float),
    str: Kind(),
    tuple[str, ...]: Kind(_define_list, lambda _, texts: tuple(texts)),
    pathlib.Path: Kind(convert=_path),
    model_lib.ImageSize: Kind(
        functools.partial(flags.DEFINE, _ImageSizeParser())
    ),
    architecture_lib.Architecture: Kind(
        convert=_architecture,
        values=f"{', '.join(published.NAMES)} or a JSON file",
    ),
    search_space.SearchSpace: Kind(
        convert=_search_space,
        values=f"{', '.join(search_space.SEARCH_SPACES)} or a JSON file of "
        "choices",
    ),
}
