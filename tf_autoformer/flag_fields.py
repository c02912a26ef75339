"""Fields of configuration dataclasses as command-line flags.

The field gives a flag's name, type and default, the class's docstring its
help.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from tf_autoformer.space import model as model_lib

FLAGS = flags.FLAGS
# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()

_DEFINE: Mapping[type, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def _help(config: type) -> dict[str, str]:
    """Field -> its text in the "Attributes:" of the docstring."""
    text = inspect.getdoc(config).split("Attributes:\n", 1)[1]
    entries = re.findall(r"^  (\w+): (.*(?:\n {4}.*)*)", text, re.MULTILINE)
    return {
        name: re.sub(r"\s+", " ", entry[0].upper() + entry[1:])
        for name, entry in entries
    }


def define(config: type, given: tuple[str, ...] = ()) -> None:
    """Defines a flag for each field of a dataclass that is not `given`."""
    texts = _help(config)
    for field in dataclasses.fields(config):
        if field.name not in given:
            _define_field(field, field.default, texts[field.name])


def _define_field(field: dataclasses.Field, default: Any, text: str) -> None:
    if typing.get_origin(field.type) is typing.Literal:
        choices = typing.get_args(field.type)
        flags.DEFINE_enum(field.name, default, choices, text)
    elif field.type is model_lib.ImageSize:
        define_image_size(default, text)
    else:
        _DEFINE[field.type](field.name, default, text)


class _ImageSizeParser(flags.ArgumentParser):
    """Reads 224 or, height first, 224x320."""

    def parse(self, argument: Any) -> model_lib.ImageSize:
        """Raises ValueError for what is neither."""
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(argument))
        if match is None:
            raise ValueError("must be like 224 or, height first, 224x320")
        height, width = int(match[1]), int(match[2] or match[1])
        return height if height == width else (height, width)


def define_image_size(default: int | None, text: str) -> None:
    """Defines --image_size, which some binaries take without a dataclass."""
    flags.DEFINE(_ImageSizeParser(), "image_size", default, text)


def read(config: type, found: Any = None, **given: Any) -> Any:
    """The dataclass of the flags that `define` made for it.

    Args:
      config: the dataclass.
      found: one that the working folder has, whose values stand where a flag
        is not given.
      given: fields without a flag.
    """
    values = {
        field.name: value(field.name, found)
        for field in dataclasses.fields(config)
        if field.name not in given
    }
    return config(**given, **values)


def value(name: str, found: Any) -> Any:
    """The flag's value; if not given, that of `found` unless this is None."""
    flag = FLAGS[name]
    return flag.value if flag.present or not found else getattr(found, name)
