"""Runs commands that save their work when they are interrupted."""

import signal
import subprocess
from collections.abc import Mapping, Sequence


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> int:
    """Runs a command to its end, also when the benchmark is interrupted.

    `subprocess.run` would kill it a quarter of a second after Ctrl-C.

    Args:
      command: Program and arguments.
      environment: Environment of the command. None: that of the benchmark.

    Returns:
      Exit status of the command.

    Raises:
      KeyboardInterrupt: A signal has come, and the command has ended.
    """
    with subprocess.Popen(command, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt as error:
            # A terminal has sent Ctrl-C to the command as well.
            if getattr(error, "signal", None) == signal.SIGTERM:
                process.terminate()
            process.wait()
            raise
