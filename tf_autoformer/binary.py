"""How every binary runs: its flags, its log, its failures in one line."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags
from absl import logging as absl_logging

from tf_autoformer import errors, flag_fields, interruption, progress

# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()


def run(main: Callable[[Any], None], options: type) -> None:
    """Runs a binary: its flags, then `main`. Tells failures in one line.

    Exits with 1 for a mistake of the user's, and with 128 and the number of
    the signal when interrupted: 130 for Ctrl-C, 143 for SIGTERM.

    Args:
      main: Function that takes the options and does the work of the binary.
      options: Frozen dataclass of the binary's flags. See `flag_fields`.
    """
    read = flag_fields.define(options)

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1:
            _fail(1, f"unexpected argument {arguments[1]!r}")
        _show_progress()
        try:
            with interruption.raised():
                main(read())
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

    app.run(guarded)


def _show_progress() -> None:
    """Logs this package's progress, and the libraries' warnings only."""
    handler = progress.LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%X"))
    logger = logging.getLogger("tf_autoformer")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _fail(code: int, message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
