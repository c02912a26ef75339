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

from benchmarks import comparison, worker
from tf_autoformer import errors, files
from tf_autoformer.supernet import cores

# By the device, as a page may have a table of each.
_MARKS = {
    device: (f"<!-- {name}: begin -->", f"<!-- {name}: end -->")
    for device, name in (("cpu", "table"), ("gpu", "table on a GPU"))
}
_LIBRARIES = (
    *("tensorflow", "torch", "onnxruntime", "tf2onnx"),
    *("openvino", "numpy"),
)
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


def memory(
    subject: comparison.Subject,
    peaks: Sequence[float],
    unit: str = "MiB",
) -> Row:
    """A row of the memory that each side took at its highest.

    Args:
      subject: Supernet that was measured.
      peaks: Bytes, ours and the other side's.
      unit: "MiB" or "GiB".
    """
    size, digits = {"MiB": (2**20, 0), "GiB": (2**30, 1)}[unit]
    ratio = peaks[0] / peaks[1]
    return Row(
        "memory",
        subject.model,
        subject.precision,
        *(f"{peak / size:,.{digits}f} {unit}" for peak in peaks),
        f"{ratio:.2f}×",
        [Target("≤ 1×", ratio <= 1)],
        {"bytes": peaks, "ratio": ratio},
    )


def markdown(
    rows: Sequence[Row], command: str, device: str = "cpu", machine: str = ""
) -> str:
    """The table, and below it how to read it and where it was measured.

    Args:
      rows: Rows of the table, in its order.
      command: Command that made the table.
      device: Device of the benchmark: "cpu" or "gpu".
      machine: Further words on the machine.
    """
    head = [_joined(_HEADER), _joined(["---"] * len(_HEADER))]
    table = "\n".join([*head, *map(line, rows)])
    source = provenance(command, machine)
    return "\n\n".join([table, _legend(rows, device), source]) + "\n"


def line(row: Row) -> str:
    """A row as a line of the table."""
    met = ("yes" if target.met else "no" for target in row.targets)
    return _joined(
        [
            *row[:6],
            ", ".join(target.text for target in row.targets) or "–",
            ", ".join(met) or "–",
            *([f"{share:.0%}" for share in row.shares] or ["–", "–"]),
        ]
    )


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _legend(rows: Sequence[Row], device: str) -> str:
    peaks = {
        f"{row.model} {row.precision}": " / ".join(
            f"{peak / 1e9:,.0f}" for peak in row.raw["peaks"]
        )
        for row in rows
        if "peaks" in row.raw
    }
    text = (
        "Times are medians. The ratio says how many times as fast our side is. "
        "For memory, it is our bytes over the other side's."
    )
    each = ""
    if device == "cpu":
        text += (
            " For `update`, it is our time for the smallest subnet over our "
            "time for the largest."
        )
        each = " (one product on each core)"
    if peaks:
        listed = ", ".join(f"{name} {pair}" for name, pair in peaks.items())
        size = worker.PEAK_SIZES[device]
        text += (
            f" A peak is the speed of a {size} × {size} matrix product in "
            "GFLOP/s. The shares are of the larger of two peaks, "
            f"TensorFlow{each} / PyTorch: {listed}."
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


def provenance(command: str, machine: str = "") -> str:
    """The command, the machine and the versions behind a table.

    Args:
      command: Command that made the table.
      machine: Further words on the machine.
    """
    versions = []
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{library} {importlib.metadata.version(library)}")
    text = (
        f"{datetime.date.today()}, {_cpu()}, "
        f"{cores.available()} cores; "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )
    if machine:
        text += f" {machine}."
    return f"    {command}\n\n{textwrap.fill(text, 80)}"


def _cpu() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # Only Linux has it.
        text = ""
    found = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def split(path: pathlib.Path, device: str = "cpu") -> tuple[str, str]:
    """The text before and after the table in a file, with the marks.

    Args:
      path: Markdown file.
      device: Device of the table.

    Raises:
      InputError: The file cannot be read, or the table is not marked.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(f"cannot read {path}: {error}") from error
    first, last = _MARKS[device]
    before, begin, rest = text.partition(f"{first}\n")
    _, end, after = rest.partition(f"{last}\n")
    if not begin or not end:
        raise errors.InputError(
            f"{path} must have a line {first} and after it one {last}"
        )
    return before + begin, end + after


def update(path: pathlib.Path, table: str, device: str = "cpu") -> None:
    """Replaces the table in a file.

    Args:
      path: Markdown file.
      table: The new table, with what is below it.
      device: Device of the table.

    Raises:
      InputError: The file cannot be read, or the table is not marked.
    """
    before, after = split(path, device)
    files.write_text(path, f"{before}\n{table}\n{after}")
