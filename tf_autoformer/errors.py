"""The one exception that means a mistake of the user's, not of the code's."""

import contextlib
import re
from collections.abc import Iterator


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


def reason(error: Exception) -> str:
    """One line of what TensorFlow says, without the names of its operations."""
    text = getattr(error, "message", "") or str(error) or repr(error)
    line = text.splitlines()[0]
    return re.sub(r"^(\{\{.*?\}\} )+| \[Op:.*$", "", line)
