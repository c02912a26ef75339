"""Processes that time cases on request. Each message is a line of JSON."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tf_autoformer import errors

# Rows of the square matrices whose product gives the peak.
PEAK_SIZES = {"cpu": 2048, "gpu": 8192}
_ROOT = pathlib.Path(__file__).parents[1]


class Worker:
    """A process of its own, idle until it is asked.

    Args:
      module: Module to run. Its main calls `serve`.
      python: Interpreter that runs it.
      **settings: Values that `settings` returns in the process.
    """

    def __init__(
        self, module: str, python: str = sys.executable, **settings: Any
    ):
        self._module = module
        # A separate pipe for the replies, because libraries print on stdout.
        replies, write = os.pipe()
        self._replies = os.fdopen(replies)
        self._process = subprocess.Popen(
            [python, "-m", module, json.dumps(settings), str(write)],
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            text=True,
            pass_fds=[write],
            cwd=_ROOT,
            # Ctrl-C reaches only the parent, which then ends this process.
            start_new_session=True,
        )
        os.close(write)

    def ask(self, case: str, **arguments: Any) -> list[float]:
        """The seconds that a case in the process returns.

        Raises:
          InputError: The process has ended. Its stderr says why.
        """
        # If the pipe is broken, the missing reply shows it below.
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps([case, arguments]), file=self._process.stdin)
            self._process.stdin.flush()
        reply = self._replies.readline()
        if not reply:
            code = self._process.wait()
            raise errors.InputError(f"{self._module} ended with code {code}")
        return json.loads(reply)

    def peak_memory(self) -> int:
        """The highest resident memory since the process started, in bytes."""
        return memory(self._process.pid)[1]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: Any) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._replies):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def memory(process: int) -> tuple[int, int]:
    """Resident memory of a process, now and at its highest, in bytes."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    now, highest = (
        1024 * int(re.search(rf"{field}:\s*(\d+) kB", status).group(1))
        for field in ("VmRSS", "VmHWM")
    )
    return now, highest


def settings() -> dict[str, Any]:
    """The settings that this worker's process was started with."""
    return json.loads(sys.argv[1])


def serve(
    cases: Mapping[str, Callable[..., list[float] | None]],
) -> None:
    """Answers requests until the parent is gone.

    Args:
      cases: Name of a case -> function that runs it and returns its seconds.
    """
    with os.fdopen(int(sys.argv[2]), "w") as replies:
        for line in sys.stdin:
            case, arguments = json.loads(line)
            seconds = cases[case](**arguments)
            print(json.dumps(seconds), file=replies, flush=True)


def time_each(call: Callable[[Any], Any], items: Iterable[Any]) -> list[float]:
    """The seconds that a call takes with each item."""
    seconds = []
    for item in items:
        start = time.perf_counter()
        call(item)
        seconds.append(time.perf_counter() - start)
    return seconds


def time_all(
    call: Callable[[Any], Any],
    items: Sequence[Any],
    wait: Callable[[], Any],
    together: bool,
) -> list[float]:
    """The seconds of a call that may return before its work is done.

    Args:
      call: Function to time.
      items: Arguments of the calls.
      wait: Function that waits for all work.
      together: Whether to wait in the end only, and to return the mean for
        each.
    """
    if not together:
        return time_each(lambda item: (call(item), wait()), items)
    start = time.perf_counter()
    for item in items:
        call(item)
    wait()
    return [(time.perf_counter() - start) / len(items)] * len(items)
