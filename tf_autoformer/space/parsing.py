"""Checked values out of parsed JSON; errors name field, value and rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tf_autoformer import errors

_Number = TypeVar("_Number", int, float)

# So that no product of sizes overflows.
_MOST = 1000


def fields(
    what: str,
    values: Any,
    required: Sequence[str],
    optional: Sequence[str] = (),
) -> Mapping[str, Any]:
    """`values`, a mapping with all required fields and no unknown one.

    Raises:
      InputError: it is not.
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


def integer(field: str, value: Any) -> int:
    """A positive whole number.

    Raises:
      InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise errors.InputError(
            f"{field} is {value!r}; it must be a positive whole number"
        )
    return value


def number(field: str, value: Any) -> float:
    """A positive number.

    Raises:
      InputError: it is not.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 < value < _MOST
    ):
        raise errors.InputError(
            f"{field} is {value!r}; it must be a positive number below {_MOST}"
        )
    return float(value)


def integers(field: str, values: Any) -> tuple[int, ...]:
    """A list of positive whole numbers.

    Raises:
      InputError: it is not; the message names the entry.
    """
    return _entries(field, values, integer)


def numbers(field: str, values: Any) -> tuple[float, ...]:
    """A list of positive numbers.

    Raises:
      InputError: it is not; the message names the entry.
    """
    return _entries(field, values, number)


def _entries(
    field: str, values: Any, checked: Callable[[str, Any], _Number]
) -> tuple[_Number, ...]:
    if not isinstance(values, list):
        raise errors.InputError(f"{field} is {values!r}; it must be a list")
    return tuple(
        checked(f"{field}[{index}]", value)
        for index, value in enumerate(values)
    )
