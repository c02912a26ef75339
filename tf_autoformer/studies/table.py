"""Tables as Markdown, CSV and JSON."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_autoformer import files


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      title: Title for people.
      name: Name for programs.
      form: Format of its numbers for people.
    """

    title: str
    name: str
    form: str = ""

    def text(self, value: Any) -> str:
        """A value for people."""
        return "–" if value is None else format(value, self.form)


def markdown(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]]
) -> list[str]:
    """The lines of a table in Markdown. Numbers stand on the right."""
    numbers = [
        any(isinstance(row[place], int | float) for row in rows)
        for place in range(len(columns))
    ]
    cells = [[each.title for each in columns]]
    cells.append(["--:" if number else "---" for number in numbers])
    cells += [
        [column.text(value) for column, value in zip(columns, row, strict=True)]
        for row in rows
    ]
    return [f"| {' | '.join(row)} |" for row in cells]


def write(
    folder: pathlib.Path,
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    lines: Sequence[str],
    more: Mapping[str, Any],
) -> None:
    """Writes NAME.md, NAME.csv and NAME.json.

    Args:
      folder: Folder of the files.
      name: Name of the files.
      columns: Columns of CSV and JSON.
      rows: A value for each column. None: there is none.
      lines: Lines of the Markdown file.
      more: Further values for the JSON file, beside "rows".

    Raises:
      InputError: The folder cannot be written or the disk is full.
    """
    names = [each.name for each in columns]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    files.write_text(folder / f"{name}.md", "\n".join(lines) + "\n")
    write_csv(folder / f"{name}.csv", names, rows)
    files.write_json(folder / f"{name}.json", {**more, "rows": records})


def write_csv(
    path: pathlib.Path, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Writes rows of values below the names of their columns.

    Raises:
      InputError: The folder cannot be written or the disk is full.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    files.write_text(path, text.getvalue())
