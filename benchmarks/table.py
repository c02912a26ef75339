"""Writes the results as a markdown table into a file."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import pathlib
import platform
import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import comparison
from tf_autoformer import errors, files
from tf_autoformer.supernet import cores

_BEGIN = "<!-- table: begin -->"
_END = "<!-- table: end -->"
_LIBRARIES = ("tensorflow", "torch", "onnxruntime", "tf2onnx", "numpy")
_HEADER = (
    *("case", "model", "precision", "ours", "other side", "ratio"),
    *("target", "met", "share of peak: ours", "other side"),
)


class Target(NamedTuple):
    """An aim for a measured value.

    Attributes:
      text: Description of the aim in the table.
      met: Whether the value meets the aim.
    """

    text: str
    met: bool


class Row(NamedTuple):
    """One comparison, a row of the table.

    Attributes:
      case: Name of the case.
      model: Name of the supernet.
      precision: "float32" or "bfloat16".
      ours: Our median, with its unit.
      other: The other side's median, with its unit.
      ratio: Ratio of the two sides.
      targets: Aims for the case.
      raw: Every measured figure, for the JSON file.
      shares: Shares of the peak, ours and the other side's.
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
    """The median of some times, with its unit."""
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
      seconds: Times of every repetition, ours and the other side's.
      ratio: Ratio of the two sides.
      targets: Aims for the case.
      **raw: Further figures for the JSON file.
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
    """The table, and below it how to read it and where it was measured.

    Args:
      rows: Rows of the table, in its order.
      command: Command that made the table.
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
        "Times are medians. The ratio says how many times as fast our side is. "
        "For memory, it is our bytes over the other side's. For `update`, it "
        "is our time for the smallest subnet over our time for the largest."
    )
    if peaks:
        listed = ", ".join(f"{name} {pair}" for name, pair in peaks.items())
        text += (
            " A peak is the speed of a 2048 × 2048 matrix product in GFLOP/s. "
            "The shares are of the larger of two peaks, TensorFlow (one "
            f"product on each core) / PyTorch: {listed}."
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
    """The command, the machine and the versions behind a table."""
    versions = []
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{library} {importlib.metadata.version(library)}")
    text = (
        f"{datetime.date.today()}, {_cpu()}, "
        f"{cores.available()} cores; "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )
    return f"    {command}\n\n{textwrap.fill(text, 80)}"


def _cpu() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # Only Linux has it.
        text = ""
    found = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def split(path: pathlib.Path) -> tuple[str, str]:
    """The text before and after the table in a file, with the marks.

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
    """Replaces the table in a file.

    Raises:
      InputError: The file cannot be read, or the table is not marked.
    """
    before, after = split(path)
    files.write_text(path, f"{before}\n{table}\n{after}")
