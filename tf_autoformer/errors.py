"""The one exception that means a mistake of the user's, not of the code's."""


class InputError(ValueError):
    """A bad input. Its message is one line: field, value and rule.

    The binaries print it without a traceback and exit with code 1.
    """
