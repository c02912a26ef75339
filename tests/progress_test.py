"""Speed and remaining time, in lines and as a bar on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from unittest import mock

from absl.testing import absltest

from tests.helpers import commands
from tf_autoformer import progress

# Two pieces of work, the second within the first, which log lines.
_WORK = """
import logging, time
from tf_autoformer import progress

progress._DRAW_SECONDS = 0
progress._REPORT_SECONDS = -1
log = logging.getLogger("tf_autoformer.work")
log.addHandler(progress.LogHandler())
log.setLevel(logging.INFO)

def work(units, depth):
    with progress.Meter(1, 4, units, f"all {units}") as meter:
        for done in (2, 3, 4):
            if depth:
                work("parts", depth - 1)
            meter.advance(done)
            if meter.due:
                log.info("told: %s", meter.line(done))
            log.info("an event of %s %d", units, done)

work("steps", 1)
log.info("the end")
"""


def _on_terminal(**env: str) -> str:
    """What the work writes to a terminal of 60 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 30, 60, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", _WORK],
        cwd=commands.ROOT,
        env={**os.environ, **env},
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # How Linux says that the other end is closed.
                break
            if not chunk:
                break
            written += chunk
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


class TerminalTest(absltest.TestCase):
    EVENTS = [
        line
        for done in (2, 3, 4)
        for line in (
            *(f"an event of parts {part}" for part in (2, 3, 4)),
            f"an event of steps {done}",
        )
    ]

    def test_there_is_one_bar_which_no_line_tears(self):
        written = _on_terminal()

        # What stays of each line is what follows the last return to its start.
        lines = [
            line.rpartition("\r")[2].rstrip()
            for line in written.replace("\r\n", "\n").split("\n")[:-1]
        ]
        bar, end = lines[-2:]
        self.assertEqual(end, "the end")
        self.assertRegex(
            bar, r"^all steps: 100%\|█+\| 4/4 steps, .* steps/s, ETA 00:00$"
        )
        # The nested work, which has no bar, is told in lines.
        told = [line for line in lines if line.startswith("told: ")]
        self.assertLen(told, 9)
        for line in told:
            self.assertRegex(
                line, r"^told: [234] of 4 parts  [\d.,]+ parts/s  ETA"
            )
        events = [line for line in lines[:-2] if line not in told]
        self.assertEqual(events, self.EVENTS)
        self.assertNotIn("all parts", written)
        counts = re.findall(r"(\d)/4 steps", written)
        self.assertEqual(sorted(set(counts)), ["1", "2", "3", "4"])
        self.assertEqual(counts, sorted(counts))

    def test_without_a_terminal_there_are_only_lines(self):
        process = subprocess.run(
            [sys.executable, "-c", _WORK],
            cwd=commands.ROOT,
            stderr=subprocess.PIPE,
            check=True,
        )

        written = process.stderr.decode()
        self.assertNotIn("\r", written)
        self.assertNotIn("%|", written)
        lines = written.splitlines()
        told = [line for line in lines if line.startswith("told: ")]
        self.assertLen(told, 12)
        self.assertRegex(
            told[3], r"^told: 2 of 4 steps  [\d.,]+ steps/s  ETA 0:"
        )
        events = [line for line in lines if line not in told]
        self.assertEqual(events, [*self.EVENTS, "the end"])

    def test_a_bar_that_is_not_wanted_is_none(self):
        written = _on_terminal(TQDM_DISABLE="1")

        self.assertNotIn("%|", written)
        self.assertEqual(written.count("told: "), 12)


class BarTest(absltest.TestCase):
    """The bar's figures, on a clock of the test's own."""

    def setUp(self):
        super().setUp()
        self.now = 100.0
        for name in ("time.monotonic", "time.time", "tqdm.std.time"):
            self.enter_context(mock.patch(name, lambda: self.now))
        self.enter_context(
            mock.patch.object(progress, "on_terminal", return_value=True)
        )
        self.speeds = []

    def _text(self, speed: float) -> str:
        self.speeds.append(speed)
        return f"{speed:.0f} per second"

    def test_a_pause_and_what_is_done_in_it_do_not_count(self):
        with progress.Meter(10, 1000, "steps", text=self._text) as meter:
            self.now += 2
            meter.advance(20)
            with meter.paused(units=5):
                self.now += 1000
            self.now += 2
            meter.advance(35)
        self.assertSequenceAlmostEqual(self.speeds, [5.0, 5.0])

    def test_it_is_drawn_and_its_text_asked_for_once_a_second(self):
        with progress.Meter(0, 100, "steps", text=self._text) as meter:
            for done in range(1, 13):
                self.now += 0.25
                meter.advance(done)
        self.assertLen(self.speeds, 3)

    def test_the_next_work_has_a_bar_even_after_a_failure(self):
        for _ in range(2):
            with (
                self.assertRaises(RuntimeError),
                progress.Meter(0, 10, "steps") as meter,
            ):
                self.assertFalse(meter.in_lines)
                self.assertFalse(meter.due)
                raise RuntimeError
        self.assertTrue(meter.in_lines)


class MeterTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 100.0
        self.enter_context(
            mock.patch("time.monotonic", side_effect=lambda: self.now)
        )

    def test_speed_is_of_the_work_since_the_last_update(self):
        meter = progress.Meter(done=10, total=1000, units="steps")
        self.now += 5
        self.assertEqual(meter.update(20), (2.0, "0:08:10"))
        self.now += 1
        self.assertEqual(meter.update(30), (10.0, "0:01:37"))

    def test_progress_is_due_half_a_minute_after_the_last_update(self):
        meter = progress.Meter(done=0, total=10, units="steps")
        self.now += 30
        self.assertFalse(meter.due)
        self.now += 1
        self.assertTrue(meter.due)
        meter.update(1)
        self.assertFalse(meter.due)

    def test_a_pause_does_not_count(self):
        meter = progress.Meter(done=0, total=10, units="steps")
        with meter.paused():
            self.now += 60
        self.now += 1
        self.assertEqual(meter.update(5), (5.0, "0:00:01"))

    def test_units_done_in_a_pause_do_not_count_for_the_speed(self):
        meter = progress.Meter(done=0, total=10, units="steps")
        with meter.paused(units=2):
            self.now += 60
        self.now += 1
        self.assertEqual(meter.update(4), (2.0, "0:00:03"))


if __name__ == "__main__":
    absltest.main()
