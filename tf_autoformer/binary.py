"""How every binary runs: its flags, its log, its failures in one line."""

import logging
import os
import re
import sys
from collections.abc import Callable

from absl import app, flags
from absl import logging as absl_logging

from tf_autoformer import errors, flag_fields, interruption, progress

# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()


_MARK = "\ufeff"  # Some editors put it before the first line of a file.


def run(
    main: Callable[..., None], options: type, takes_arguments: bool = False
) -> None:
    """Runs a binary: its flags, then `main`. Tells failures in one line.

    Exits with 1 for a mistake of the user's, and with 128 and the number of
    the signal when interrupted: 130 for Ctrl-C, 143 for SIGTERM.

    Args:
      main: Function that takes the options and does the work of the binary.
      options: Frozen dataclass of the binary's flags. See `flag_fields`.
      takes_arguments: Whether the command line may have words that are no
        flags. `main` has them, a list, as its second argument.
    """
    read = flag_fields.define(options)

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1 and not takes_arguments:
            _fail(1, f"unexpected argument {arguments[1]!r}")
        _show_progress()
        try:
            with interruption.raised():
                main(read(), *([arguments[1:]] if takes_arguments else []))
            sys.stdout.flush()  # Here and not at exit, for a closed pipe.
        except errors.InputError as error:
            _fail(1, f"error: {error}")
        except BrokenPipeError:  # The reader of a pipe, head, has enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            if error.filename is None:
                raise
            # A file that may not be opened, a name that is too long: no
            # mistake of the code's, wherever it is met.
            _fail(1, f"error: cannot use {error.filename}: {error.strerror}")
        except interruption.Interrupted as error:
            _fail(128 + error.signal, str(error))

    app.run(guarded, flags_parser=_parse_flags)


def _parse_flags(arguments: list[str]) -> list[str]:
    """Parses flags as absl does, whose flag files have no byte-order mark."""
    try:
        arguments = [arguments[0], *_expanded(arguments[1:])]
    except flags.Error:
        pass  # It is raised and worded again below.
    except UnicodeDecodeError as error:
        _fail(1, f"error: flagfile must be a text in UTF-8, but {error}")
    return app.parse_flags_with_usage(arguments)


def _expanded(arguments: list[str]) -> list[str]:
    """The command line with the lines of its flag files in their place."""
    result = []
    for argument in flags.FLAGS.read_flags_from_files(arguments):
        line = argument.removeprefix(_MARK)
        if line == argument:
            result.append(line)
        elif not re.match(r"\s*($|#|//)", line):
            result += _expanded([line])  # It may name another flag file.
    return result


def _show_progress() -> None:
    """Logs this package's progress, and the libraries' warnings only."""
    handler = progress.LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%X"))
    for name in ("tf_autoformer", "__main__"):  # A benchmark is __main__.
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _fail(code: int, message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
