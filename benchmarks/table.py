"""The results as a markdown table, and the file that shows it."""

import contextlib
import datetime
import importlib.metadata
import os
import pathlib
import platform
import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import comparison
from tf_autoformer import errors, files

_BEGIN = "<!-- table: begin -->"
_END = "<!-- table: end -->"
_LIBRARIES = ("tensorflow", "torch", "onnxruntime", "tf2onnx", "numpy")
_HEADER = (
    *("case", "model", "precision", "ours", "other side", "ratio"),
    *("target", "met", "share of peak: ours", "other side"),
)


class Target(NamedTuple):
    """What a measured value should be.

    Attributes:
      text: for people.
      met: whether it is.
    """

    text: str
    met: bool


class Row(NamedTuple):
    """One comparison.

    Attributes:
      case: what was measured.
      model: of which supernet.
      precision: in which.
      ours: median, with its unit.
      other: likewise, of the other side.
      ratio: of both.
      targets: all that were set for it.
      shares: of the peak, ours and the other side's.
      raw: every figure, as JSON has it.
    """

    case: str
    model: str
    precision: str
    ours: str
    other: str
    ratio: str
    targets: Sequence[Target]
    raw: Mapping[str, Any]
    shares: Sequence[float] = ()


def median(seconds: Sequence[float]) -> str:
    """The median with its unit."""
    value = statistics.median(seconds)
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


def timed(
    case: str,
    subject: comparison.Subject,
    seconds: Sequence[Sequence[float]],
    ratio: float,
    targets: Sequence[Target],
    **raw: Any,
) -> Row:
    """A row of times.

    Args:
      case: what was measured.
      subject: of what.
      seconds: ours and the other side's, each of every repetition.
      ratio: of both.
      targets: all that were set for it.
      **raw: further figures for JSON.
    """
    return Row(
        case,
        subject.model,
        subject.precision,
        *map(median, seconds),
        f"{ratio:.2f}×",
        targets,
        {"seconds": seconds, "ratio": ratio, **raw},
    )


def markdown(rows: Sequence[Row], command: str) -> str:
    """The table and, beneath it, how to read it and where it was measured.

    Args:
      rows: in their order.
      command: what was typed.
    """
    lines = [_HEADER, ["---"] * len(_HEADER)]
    for row in rows:
        met = ("yes" if target.met else "no" for target in row.targets)
        lines.append(
            [
                *row[:6],
                ", ".join(target.text for target in row.targets) or "–",
                ", ".join(met) or "–",
                *([f"{share:.0%}" for share in row.shares] or ["–", "–"]),
            ]
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, _legend(rows), provenance(command)]) + "\n"


def _legend(rows: Sequence[Row]) -> str:
    peaks = {
        f"{row.model} {row.precision}": " / ".join(
            f"{peak / 1e9:,.0f}" for peak in row.raw["peaks"]
        )
        for row in rows
        if "peaks" in row.raw
    }
    text = (
        "Times are medians. The ratio is how many times as fast ours is; of "
        "memory, ours over the other side's; of `update`, our time for the "
        "smallest subnet over that for the largest."
    )
    if peaks:
        listed = "; ".join(f"{name} {pair}" for name, pair in peaks.items())
        text += (
            " Peak of a 2048 × 2048 matrix product in GFLOP/s, TensorFlow (one "
            "on each core) / PyTorch, of which the shares take the larger: "
            f"{listed}."
        )
    return textwrap.fill(text, 80)


def provenance(command: str) -> str:
    """What was typed, where it ran, and of which versions."""
    versions = []
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{library} {importlib.metadata.version(library)}")
    text = (
        f"{datetime.date.today()}, {_cpu()}, "
        f"{len(os.sched_getaffinity(0))} cores; "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )
    return f"    {command}\n\n{textwrap.fill(text, 80)}"


def _cpu() -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def split(path: pathlib.Path) -> tuple[str, str]:
    """What stands before and after the table in a file, with the marks.

    Raises:
      InputError: the file cannot be read, or the table is not marked.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(f"cannot read {path}: {error}") from error
    before, begin, rest = text.partition(f"{_BEGIN}\n")
    _, end, after = rest.partition(f"{_END}\n")
    if not begin or not end:
        raise errors.InputError(
            f"{path} must have a line {_BEGIN} and after it one {_END}"
        )
    return before + begin, end + after


def update(path: pathlib.Path, table: str) -> None:
    """Replaces the table in a file; see `split`."""
    before, after = split(path)
    files.write_text(path, f"{before}\n{table}\n{after}")
