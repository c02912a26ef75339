"""Rules that the fields of configuration dataclasses keep."""

import dataclasses
import functools
import math
import operator
import os
import re
import types
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from tf_autoformer import errors


class Rule(NamedTuple):
    """A condition on a value.

    Attributes:
      text: End of the sentence "it must be …".
      holds: Whether a value keeps the rule. False for NaN.
    """

    text: str
    holds: Callable[[Any], bool]


# TensorFlow counts many things in int32, and float32 ends not far beyond.
LARGEST = 2**31 - 1
# Bound of each size of a network: no product of sizes overflows.
LARGEST_SIZE = 100_000

POSITIVE = Rule("positive", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule("0 or more", lambda value: 0 <= value < math.inf)
SHARE = Rule("in [0, 1]", lambda value: 0 <= value <= 1)


def at_least(low: int) -> Rule:
    """The rule of numbers from `low` on."""
    return Rule(f"at least {low}", lambda value: value >= low)


def at_most(high: int) -> Rule:
    """The rule of numbers up to `high`."""
    return Rule(f"at most {high}", lambda value: value <= high)


def below(high: float, text: str = "") -> Rule:
    """The rule of numbers less than `high`, which `text` may spell."""
    return Rule(f"below {text or high}", lambda value: value < high)


def between(low: float, high: float) -> Rule:
    """The rule of numbers from `low` to `high`, both included."""
    return Rule(f"from {low} to {high}", lambda value: low <= value <= high)


def _absolute(path: str | os.PathLike[str]) -> str:
    """The path from the root on. A bucket's, and an empty one, stay."""
    text = os.fspath(path)
    return os.path.abspath(text) if text and "://" not in text else text


def is_utf8(text: str) -> bool:
    """Whether a text, or a name that the system gave, can be UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# TensorFlow takes no other text. The folders above a relative path count too.
UTF8_PATH = Rule(
    "a path in UTF-8 without zero bytes",
    lambda path: "\0" not in os.fspath(path) and is_utf8(_absolute(path)),
)
# TensorFlow finds and deletes the files of checkpoints by patterns.
LITERAL_PATH = Rule(
    r"a path without [ ] * ? and \ up to the root; TensorFlow reads these as "
    "patterns",
    lambda path: re.search(r"[][*?\\]", _absolute(path)) is None,
)
# A size of the network, in pixels or units.
SIZE = (POSITIVE, at_most(LARGEST_SIZE))
# A seed fits into the int32 that TensorFlow's stateless operations take.
SEED = (NOT_NEGATIVE, below(2**31, "2**31"))


def field(default: Any, *kept: Rule, **metadata: Any) -> Any:
    """A dataclass field with rules.

    Args:
      default: Default value of the field. `dataclasses.MISSING`: none.
      *kept: Rules of its value. `check` applies them in this order.
      **metadata: Further metadata. `choices` are the allowed strings.
        `before` is the value that reproduces the behaviour from before the
        field existed. Give it to each field that is added to a configuration:
        folders made earlier are then read with it. `flag_fields` has more.
    """
    return dataclasses.field(
        default=default, metadata={"rules": kept, **metadata}
    )


def kind(field: dataclasses.Field[Any]) -> Any:
    """The type of a field's values other than None."""
    if get_origin(field.type) not in (Union, types.UnionType):
        return field.type
    parts = [part for part in get_args(field.type) if part is not type(None)]
    return functools.reduce(operator.or_, parts)


def choices(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """The strings that a field allows. Empty if they are not listed."""
    if get_origin(kind(field)) is Literal:
        return get_args(kind(field))
    return tuple(field.metadata.get("choices", ()))


def check(config: Any) -> None:
    """Applies the rules and the choices of all fields. See `check_value`.

    Raises:
      InputError: A value breaks a rule.
    """
    for each in dataclasses.fields(config):
        check_value(each, getattr(config, each.name))


def check_value(field: dataclasses.Field[Any], value: Any) -> None:
    """Applies the rules and the choices of a field, unless the value is None.

    A number that has rules must also be at most `LARGEST`.

    Raises:
      InputError: The value breaks a rule. The message names field, value and
        rule.
    """
    if value is None:
        return
    allowed = choices(field)
    if allowed and value not in allowed:
        raise errors.InputError(
            f"{field.name} is {errors.shown(value)}; it must be one of "
            f"{', '.join(allowed)}"
        )
    kept = field.metadata.get("rules", ())
    if kept and isinstance(value, int | float):
        kept = (*kept, at_most(LARGEST))
    for rule in kept:
        require(field.name, value, rule)


def require(name: str, value: Any, rule: Rule) -> None:
    """Applies one rule.

    Args:
      name: Name of the field, for the message.
      value: Value of the field.
      rule: Rule that the value must keep.

    Raises:
      InputError: The value breaks the rule.
    """
    if not rule.holds(value):
        raise errors.InputError(
            f"{name} is {errors.shown(value)}; it must be {rule.text}"
        )
