"""The one exception that means a mistake of the user's, not of the code's."""

import re


class InputError(ValueError):
    """A bad input. Its message is one line: field, value and rule.

    The binaries print it without a traceback and exit with code 1.
    """


def reason(error: Exception) -> str:
    """One line of what TensorFlow says, without the names of its operations."""
    text = getattr(error, "message", "") or str(error) or repr(error)
    line = text.splitlines()[0]
    return re.sub(r"^(\{\{.*?\}\} )+| \[Op:.*$", "", line)
