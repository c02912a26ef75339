"""Checked values out of parsed JSON. Errors name field, value and rule."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tf_autoformer import errors, rules

_Number = TypeVar("_Number", int, float)

# Bound of a number: no product of sizes overflows.
_MOST = 1000


def fields(
    what: str,
    values: Any,
    required: Sequence[str],
    optional: Sequence[str] = (),
) -> Mapping[str, Any]:
    """`values`, a mapping with all required fields and no unknown one.

    Args:
      what: Name of the object, for the message.
      values: Parsed JSON.
      required: Fields that must be there.
      optional: Fields that may be there.

    Raises:
      InputError: `values` is no mapping, or a field is missing or unknown.
    """
    rule = f"{what} has the fields {', '.join(required)}"
    if not isinstance(values, Mapping):
        raise errors.InputError(f"{rule}; found {type(values).__name__}")
    missing = [name for name in required if name not in values]
    unknown = [
        str(name) for name in values if name not in (*required, *optional)
    ]
    if missing or unknown:
        missing_text = f"; missing {', '.join(missing)}" if missing else ""
        unknown_text = f"; unknown {', '.join(unknown)}" if unknown else ""
        raise errors.InputError(f"{rule}{missing_text}{unknown_text}")
    return values


def mapping(field: str, value: Any) -> Mapping[str, Any]:
    """A mapping of names.

    Raises:
      InputError: The value is no mapping.
    """
    if not isinstance(value, Mapping):
        raise errors.InputError(
            f"{field} is {errors.shown(value)}; it must be a mapping"
        )
    return value


def config(kind: type, values: Any) -> Any:
    """A configuration dataclass out of its JSON form.

    Args:
      kind: Dataclass of numbers, strings, and tuples and unions of these.
      values: Parsed JSON. A field may be missing if its metadata have a
        `before`. See `rules.field`.

    Raises:
      InputError: A field is missing, unknown or of the wrong type, or breaks
        a rule.
    """
    known = dataclasses.fields(kind)
    before = {
        field.name: field.metadata["before"]
        for field in known
        if "before" in field.metadata
    }
    required = [field.name for field in known if field.name not in before]
    fields(f"a {kind.__name__}", values, required, list(before))
    return kind(
        **before
        | {
            field.name: typed(field.name, values[field.name], field.type)
            for field in known
            if field.name in values
        }
    )


def typed(name: str, value: Any, kind: Any) -> Any:
    """`value` of the type of a dataclass's field; a list becomes a tuple.

    Args:
      name: Name of the field, for the message.
      value: Parsed JSON.
      kind: Type of the field.

    Raises:
      InputError: The value has another type.
    """
    parts = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        fitting = [part for part in parts if _fits(value, part)]
        kind = fitting[0] if fitting else parts[0]
        parts = typing.get_args(kind)
    if not _fits(value, kind):
        raise errors.InputError(
            f"{name} is {errors.shown(value)}, of the wrong type"
        )
    if typing.get_origin(kind) is tuple:
        if parts[-1] is Ellipsis:
            parts = parts[:1] * len(value)
        return tuple(
            typed(name, entry, part)
            for entry, part in zip(value, parts, strict=True)
        )
    return value


def _fits(value: Any, kind: Any) -> bool:
    """Whether the outermost type is right."""
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        return isinstance(value, list) and (
            parts[-1] is Ellipsis or len(value) == len(parts)
        )
    if kind is types.NoneType:
        return value is None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (bool, int):
        return type(value) is kind
    return isinstance(value, str)  # The rules check a Literal's choices.


def integer(field: str, value: Any) -> int:
    """A positive whole number.

    Raises:
      InputError: The value is not a positive whole number, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise errors.InputError(
            f"{field} is {errors.shown(value)}; it must be a positive "
            "whole number"
        )
    rules.require(field, value, rules.at_most(rules.LARGEST_SIZE))
    return value


def number(field: str, value: Any) -> float:
    """A positive number.

    Raises:
      InputError: The value is not a positive number, or too large.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 < value < _MOST
    ):
        raise errors.InputError(
            f"{field} is {errors.shown(value)}; it must be a positive "
            f"number below {_MOST}"
        )
    return float(value)


def integers(field: str, values: Any) -> tuple[int, ...]:
    """A list of positive whole numbers, as a tuple.

    Raises:
      InputError: The value is no list, or an entry is no such number. The
        message names the entry.
    """
    return _entries(field, values, integer)


def numbers(field: str, values: Any) -> tuple[float, ...]:
    """A list of positive numbers, as a tuple.

    Raises:
      InputError: The value is no list, or an entry is no such number. The
        message names the entry.
    """
    return _entries(field, values, number)


def _entries(
    field: str, values: Any, checked: Callable[[str, Any], _Number]
) -> tuple[_Number, ...]:
    if not isinstance(values, list):
        raise errors.InputError(
            f"{field} is {errors.shown(values)}; it must be a list"
        )
    return tuple(
        checked(f"{field}[{index}]", value)
        for index, value in enumerate(values)
    )
