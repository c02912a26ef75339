"""Fields of a dataclass as command-line flags.

A field gives the name, the type and the default of its flag, and the
docstring of the class its help. A field without default is a flag that must
be given. Some fields are several flags: a nested dataclass, `given` and
`ranges`.

The metadata of a field, see `rules.field`, may have more of its flag:
  values: Possible values, for the help.
  suffix: Suffix that a path must have, in lower case.
  lower_bound, upper_bound: Bounds that the parser of the flag applies.

A class may have the constant `DIRECTIONS`. It maps flags, of which exactly one
must be given, to the flags that are of use only together with it.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from tf_autoformer import errors, flag_kinds, rules
from tf_autoformer.space import constraint
from tf_autoformer.space import cost as cost_lib

FLAGS = flags.FLAGS
# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()

Reader = Callable[[], Any]


def given(default: Any, without: tuple[str, ...] = ()) -> Any:
    """A field for the part of a configuration that the command line gives.

    Its value maps the names of the given flags to their values. So the caller
    can tell a default from a value that was typed.

    Args:
      default: Configuration whose values are the defaults of the flags.
      without: Names of its fields that are no flags.
    """
    return dataclasses.field(
        default_factory=dict, metadata={"given": default, "without": without}
    )


def ranges(costs: Sequence[cost_lib.Cost]) -> Any:
    """A field for the allowed ranges of costs: flags --min_X and --max_X.

    Its value maps the name of each bounded cost to its `constraint.Range`.

    Args:
      costs: Costs that can be bounded.
    """
    return dataclasses.field(default_factory=dict, metadata={"costs": costs})


def define(options: type) -> Reader:
    """Defines the flags of a dataclass.

    Args:
      options: Dataclass whose docstring has an entry under "Attributes:" for
        each flag.

    Returns:
      A function that makes the dataclass of the parsed flags. It raises an
      InputError if a flag has a wrong value.
    """
    texts = _texts(options)
    readers = {
        field.name: _define_field(field, texts)
        for field in dataclasses.fields(options)
    }
    directions = getattr(options, "DIRECTIONS", {})
    if directions:
        flags.mark_flags_as_mutual_exclusive(list(directions), required=True)

    def read() -> Any:
        _require_direction(directions)
        return options(**{name: reader() for name, reader in readers.items()})

    return read


def _texts(options: type) -> dict[str, str]:
    """Maps each attribute of a class and its bases to its documentation."""
    texts: dict[str, str] = {}
    for base in reversed(options.__mro__):
        document = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        _, _, attributes = document.partition("Attributes:\n")
        for name, text in re.findall(
            r"^  (\w+): (.*(?:\n {4}.*)*)", attributes, re.MULTILINE
        ):
            texts[name] = re.sub(r"\s+", " ", text)
    return texts


def _define_field(field: dataclasses.Field, texts: Mapping[str, str]) -> Reader:
    if "given" in field.metadata:
        return _define_given(field.metadata["given"], field.metadata["without"])
    if "costs" in field.metadata:
        return _define_ranges(field.metadata["costs"])
    kind = rules.kind(field)
    if dataclasses.is_dataclass(kind) and kind not in flag_kinds.KINDS:
        return define(kind)
    return _define_flag(field, field.default, texts[field.name])


def _define_given(config: Any, without: tuple[str, ...]) -> Reader:
    texts = _texts(type(config))
    readers = {
        field.name: _define_flag(
            field, getattr(config, field.name), texts[field.name]
        )
        for field in dataclasses.fields(config)
        if field.name not in without
    }
    return lambda: {
        name: reader()
        for name, reader in readers.items()
        if FLAGS[name].present
    }


def _define_ranges(costs: Sequence[cost_lib.Cost]) -> Reader:
    ends = {
        cost.name: (
            flags.DEFINE_float(
                f"min_{cost.name}", None, f"Smallest number of {cost.help}."
            ),
            flags.DEFINE_float(
                f"max_{cost.name}", None, f"Largest number of {cost.help}."
            ),
        )
        for cost in costs
    }

    def read() -> dict[str, constraint.Range]:
        result = {}
        for name, (low, high) in ends.items():
            if (low.value, high.value) != (None, None):
                with errors.about(name):
                    result[name] = constraint.Range(low.value, high.value)
        return result

    return read


def _define_flag(field: dataclasses.Field, default: Any, text: str) -> Reader:
    """Defines a flag of one value."""
    kind = flag_kinds.KINDS.get(rules.kind(field), flag_kinds.Kind())
    more = {
        name: field.metadata[name]
        for name in ("lower_bound", "upper_bound")
        if name in field.metadata
    }
    if default is dataclasses.MISSING:
        default, more["required"] = None, True
    if values := field.metadata.get("values", kind.values):
        text = f"{text} Values: {values}."
    if choices := rules.choices(field):
        holder = flags.DEFINE_enum(field.name, default, choices, text, **more)
    else:
        holder = kind.define(field.name, default, text, **more)

    def read() -> Any:
        value = holder.value
        if value is not None and kind.convert is not None:
            value = kind.convert(field, value)
        rules.check_value(field, value)
        return value

    return read


def _require_direction(directions: Mapping[str, Sequence[str]]) -> None:
    """Checks that no flag is given for another direction.

    Raises:
      InputError: A flag is. The message names it.
    """
    for direction, names in directions.items():
        for name in names:
            if FLAGS[name].present and FLAGS[direction].value is None:
                raise errors.InputError(
                    f"{name} is {FLAGS[name].value}; it is of no use in this "
                    "direction"
                )
