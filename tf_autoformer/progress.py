"""Speed and remaining time of long work."""

import contextlib
import datetime
import time
from collections.abc import Iterator

# Between progress lines of work that has no steps of its own to report at.
_REPORT_SECONDS = 30


class Meter:
    """Measures speed over the work since the last update.

    Args:
      done: units done before.
      total: units to do.
    """

    def __init__(self, done: int, total: int):
        self._done = done
        self._total = total
        self._since = time.monotonic()

    @contextlib.contextmanager
    def paused(self, units: int = 0) -> Iterator[None]:
        """Leaves the body's time, and units done in it, out of the speed."""
        start = time.monotonic()
        yield
        self._done += units
        self._since += time.monotonic() - start

    @property
    def seconds(self) -> float:
        """Time since the last update, pauses left out."""
        return time.monotonic() - self._since

    @property
    def due(self) -> bool:
        """Whether someone who waits should hear of the progress again."""
        return self.seconds > _REPORT_SECONDS

    def update(self, done: int) -> tuple[float, str]:
        """The speed in units per second, and the remaining time, h:mm:ss."""
        speed = (done - self._done) / max(self.seconds, 1e-9)
        remaining = (self._total - done) / speed if speed else 0
        self._done, self._since = done, time.monotonic()
        return speed, str(datetime.timedelta(seconds=round(remaining)))

    def line(self, done: int, units: str) -> str:
        """An `update` as a line of progress."""
        speed, eta = self.update(done)
        return (
            f"{done} of {self._total} {units}  {speed:.0f} {units}/s  ETA {eta}"
        )
