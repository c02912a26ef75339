"""Speed and remaining time of long work: a bar on a terminal, else lines."""

import contextlib
import datetime
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

try:
    import tqdm
except ImportError:  # Where only latency is measured. Progress is in lines.
    tqdm = None

# Between progress lines of work that has no steps of its own to report at.
_REPORT_SECONDS = 30
# Between two drawings of the bar. The text of a training waits for its step.
_DRAW_SECONDS = 1.0
_FORMAT = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit}{postfix}, "
    "ETA {remaining}"
)


def on_terminal() -> bool:
    """Whether a person watches, and not a file."""
    return sys.stderr.isatty()


class Meter:
    """Measures the speed of work, and shows a bar if stderr is a terminal.

    The bar is there while the meter is entered. Work within other work that
    has a bar is told in lines.

    Args:
      done: Units done before.
      total: Units to do.
      units: Name of the units, in the plural.
      title: Name of the work, in front of the bar.
      text: Function that returns what the bar says beside its count, given
        the units per second. Default: these.
    """

    _terminal_taken = False  # By a meter's bar; a second one would tear it.

    def __init__(
        self,
        done: int,
        total: int,
        units: str,
        title: str = "",
        text: Callable[[float], str] | None = None,
    ):
        self._done = done
        self._total = total
        self._units = units
        self._title = title
        self._text = text or self._speed_text
        self._since = time.monotonic()
        self._bar: Any = None  # tqdm.tqdm

    def __enter__(self) -> "Meter":
        if tqdm and on_terminal() and not Meter._terminal_taken:
            bar = tqdm.tqdm(
                desc=self._title,
                initial=self._done,
                total=self._total,
                unit=self._units,
                bar_format=_FORMAT,
                dynamic_ncols=True,
                mininterval=_DRAW_SECONDS,
                miniters=1,  # Not adapted to the speed, which varies.
            )
            if not bar.disable:  # As the variable TQDM_DISABLE wants.
                self._bar, Meter._terminal_taken = bar, True
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar, Meter._terminal_taken = None, False

    @property
    def in_lines(self) -> bool:
        """Whether progress is told in lines, as there is no bar."""
        return self._bar is None

    def advance(self, done: int) -> None:
        """Moves the bar, if there is one.

        Args:
          done: Units done so far.
        """
        bar = self._bar
        if bar is not None and bar.update(done - bar.n):
            bar.set_postfix_str(self._text(bar.format_dict["rate"] or 0.0))

    def _speed_text(self, speed: float) -> str:
        digits = 0 if speed >= 10 else 1
        return f"{speed:,.{digits}f} {self._units}/s"

    @contextlib.contextmanager
    def paused(self, units: int = 0) -> Iterator[None]:
        """Leaves the body's time, and units done in it, out of the speed."""
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        self._done += units
        self._since += seconds
        if self._bar is not None:
            self._bar.start_t += seconds
            self._bar.last_print_t += seconds
            self._bar.last_print_n += units

    @property
    def seconds(self) -> float:
        """Time since the last update, pauses left out."""
        return time.monotonic() - self._since

    @property
    def due(self) -> bool:
        """Whether it is time for another line of progress."""
        return self.in_lines and self.seconds > _REPORT_SECONDS

    def update(self, done: int) -> tuple[float, str]:
        """The speed since the last update, and the remaining time.

        Args:
          done: Units done so far.

        Returns:
          Units per second, and the remaining time as h:mm:ss.
        """
        speed = (done - self._done) / max(self.seconds, 1e-9)
        remaining = (self._total - done) / speed if speed else 0
        self._done, self._since = done, time.monotonic()
        return speed, str(datetime.timedelta(seconds=round(remaining)))

    def line(self, done: int) -> str:
        """An `update` as a line of progress."""
        speed, eta = self.update(done)
        return (
            f"{done} of {self._total} {self._units}  "
            f"{self._speed_text(speed)}  ETA {eta}"
        )


class LogHandler(logging.StreamHandler):
    """Writes the log to stderr, above the bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if tqdm is None:
            super().emit(record)
            return
        # The bar is taken away, and drawn again below the line.
        with tqdm.tqdm.external_write_mode(file=self.stream):
            super().emit(record)
