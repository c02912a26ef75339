"""What a process of `tasks` does beside its tasks."""

import multiprocessing
import os
import signal
import threading
from multiprocessing import connection
from typing import Any

from tf_autoformer import interruption

_events: list[Any] = []  # One that is set when no further task is to begin.
_busy = threading.Lock()  # Held while a task is done.
_alone = threading.Event()  # Set when the first process is gone.


def begin(
    numbers: Any, jobs: int, stop: Any, compiling: tuple[str, str, bool]
) -> None:
    """Begins a process with its share of the cores.

    Args:
      numbers: Queue with a number for each process.
      jobs: Number of processes.
      stop: Event that is set when no further task is to begin.
      compiling: Arguments of `compilation.use`.
    """
    _events.append(stop)
    # Ctrl-C reaches the first process, which sends SIGTERM. That is for tasks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)
    threading.Thread(target=_watch, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))[numbers.get() :: jobs]
        if mine:  # There may be more jobs than cores.
            os.sched_setaffinity(0, mine)
    from tf_autoformer.supernet import compilation, parallel

    compilation.use(*compiling)
    parallel.use_cores()


def call(task: Any) -> Any:
    """Does a `tasks.Task`. SIGTERM interrupts it.

    Raises:
      Interrupted: The study ends.
    """
    with _busy:
        try:
            with interruption.raised():
                if _events[0].is_set():
                    raise interruption.Interrupted(signal.SIGTERM)
                return task.function(*task.arguments)
        finally:
            if _alone.is_set():  # Nobody takes the result.
                os._exit(1)


def _watch() -> None:
    """Ends this process when the first one is gone, however that ended."""
    connection.wait([multiprocessing.parent_process().sentinel])
    _alone.set()
    if _busy.acquire(blocking=False):
        os._exit(1)
    os.kill(os.getpid(), signal.SIGTERM)
