"""Signals that ask a program to end: SIGINT, which is Ctrl-C, and SIGTERM."""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

_LOGGER = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal has ended the work. The message says what is left of it.

    Args:
      signal: Number of the signal.
      message: One line for the user.

    Attributes:
      signal: Number of the signal.
    """

    def __init__(self, signal: int, message: str = "interrupted"):
        super().__init__(message)
        self.signal = signal


def _handle(handler: Any, former: contextlib.ExitStack) -> None:
    """Sets a handler for the signals. Closing `former` undoes it."""
    # Python handles signals in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        before = signal.getsignal(number)
        # A program in the background of a script ignores Ctrl-C.
        if before not in (signal.SIG_IGN, None):
            former.callback(signal.signal, number, before)
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Has a signal raise `Interrupted` wherever the body is."""
    with contextlib.ExitStack() as former:
        _handle(_raise, former)
        yield


@contextlib.contextmanager
def immediate() -> Iterator[None]:
    """Has a signal end the process at once, without a message.

    It is for a body in which TensorFlow waits for other machines: Python runs
    its own handlers only afterwards.
    """
    with contextlib.ExitStack() as former:
        _handle(signal.SIG_DFL, former)
        yield


@contextlib.contextmanager
def explained(message: Callable[[], str]) -> Iterator[None]:
    """Says what is left when the body is interrupted.

    Args:
      message: Function that returns one line for the user.

    Raises:
      Interrupted: The body is interrupted. It has the function's message.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        number = getattr(error, "signal", signal.SIGINT)
        raise Interrupted(number, message()) from None


class Deferral:
    """Notes a signal while it is entered, so that the work can end in order.

    The second signal does what it would do without the deferral.

    Attributes:
      signal: Number of the signal. None if there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._former = contextlib.ExitStack()

    def __enter__(self) -> "Deferral":
        _handle(self._note, self._former)
        return self

    def __exit__(self, *failure: object) -> None:
        self._former.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._former.close()
        # Python refuses to write from within an interrupted write.
        with contextlib.suppress(RuntimeError):
            _LOGGER.warning(
                "stopping after this step; a second signal stops at once"
            )
