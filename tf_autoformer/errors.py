"""The one exception that means a mistake of the user's, not of the code's."""

import contextlib
import os
import re
import reprlib
from collections.abc import Iterator, Sequence
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlong = 3, 40
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20
_SHORT.maxstring = _SHORT.maxother = 1000


class InputError(ValueError):
    """A bad input. Its message is one line: field, value and rule.

    The binaries print it without a traceback and exit with code 1.
    """


@contextlib.contextmanager
def about(what: object) -> Iterator[None]:
    """Puts what it is about, a file say, before an `InputError` of the body."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def shown(value: Any) -> str:
    """A value as messages show it, however long or deep it is."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return _SHORT.repr(value)


def listed(texts: Sequence[str], most: int) -> str:
    """The first of some texts, and the number of the others.

    Args:
      texts: Texts to list.
      most: Number of texts to show.
    """
    more = len(texts) - most
    shown = ", ".join(texts[:most])
    return f"{shown} and {more:,} more" if more > 0 else shown


def reason(error: Exception) -> str:
    """One line of what TensorFlow says, without the names of its operations."""
    text = getattr(error, "message", "") or str(error) or repr(error)
    line = text.splitlines()[0]
    return re.sub(r"^(\{\{.*?\}\} )+| \[Op:.*$", "", line)
