"""How every binary runs: flags, progress on the terminal, mistakes told."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags
from absl import logging as absl_logging

from tf_autoformer import errors, flag_fields

# So that --help lists the flags of whichever binary runs.
flags.disclaim_key_flags()


def run(main: Callable[[Any], None], options: type) -> None:
    """Runs a binary: flags, then `main`, its failures told in one line.

    Exits with 1 for a mistake of the user's, and with 130 when interrupted.

    Args:
      main: Function that takes the options.
      options: Frozen dataclass of the binary's flags; see `flag_fields`.
    """
    read = flag_fields.define(options)

    def guarded(arguments: list[str]) -> None:
        if len(arguments) > 1:
            _fail(1, f"unexpected argument {arguments[1]!r}")
        _show_progress()
        try:
            main(read())
            sys.stdout.flush()  # Here and not at exit, for a closed pipe.
        except errors.InputError as error:
            _fail(1, f"error: {error}")
        except BrokenPipeError:  # The reader of a pipe, head, has enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            _fail(130, "interrupted; the same command continues")

    app.run(guarded)


def _show_progress() -> None:
    """Logs this package's progress, and of the libraries only warnings."""
    handler = logging.StreamHandler()
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
