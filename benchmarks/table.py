"""The results as a markdown table, and the file that shows it."""

import contextlib
import dataclasses
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
    """A value that a measurement should reach.

    Attributes:
      text: The value and its unit, for people.
      met: Whether it is reached.
    """

    text: str
    met: bool


class Row(NamedTuple):
    """One comparison.

    Attributes:
      case: Name of the case.
      model: Name of the supernet.
      precision: Precision of the matrix products.
      ours: Our median, with its unit.
      other: Median of the other side, with its unit.
      ratio: Ratio of both medians.
      targets: Targets of the case.
      shares: Our share of the peak, and that of the other side.
      raw: Every figure, as JSON has it.
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
      case: Name of the case.
      subject: Supernet that was measured.
      seconds: Our times and those of the other side, one for each repetition.
      ratio: Ratio of both.
      targets: Targets of the case.
      **raw: Further figures for JSON.
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
      rows: Rows of the table, in their order.
      command: Command that measured them.
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


def command(module: str, options: Any, names: Sequence[str]) -> str:
    """The command of a benchmark.

    Args:
      module: Name of the benchmark's module.
      options: Options of the benchmark.
      names: Options to show. Those that have their default are left out.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(options)}
    words = [f"python -m benchmarks.{module}"]
    for name in names:
        value = getattr(options, name)
        if value != defaults[name]:
            text = ",".join(value) if isinstance(value, tuple) else value
            words.append(f"--{name}={text}")
    return " ".join(words)


def provenance(command: str) -> str:
    """The command, the machine, and the versions of the libraries."""
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
    """The texts before and after the table in a file, with the marks.

    Raises:
      InputError: The file cannot be read, or the table is not marked.
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
