"""What can be checked of the English of docstrings and documents."""

import ast
import inspect
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from absl.testing import absltest, parameterized

ROOT = pathlib.Path(__file__).parent.parent
# Rooms of the package, the files beside them, and the benchmarks.
ROOMS = sorted(
    str(path.parent.relative_to(ROOT))
    for top in ("tf_autoformer", "benchmarks")
    for path in (ROOT / top).rglob("__init__.py")
)
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
)
# The documentation of comparable projects has up to 2. One is always allowed.
SEMICOLONS_PER_100_SENTENCES = 3

_SECTION = re.compile(
    r"^(Args|Attributes|Returns|Yields|Raises):\n((?:(?:  .*)?\n?)+)",
    re.MULTILINE,
)
# A capital, code, a choice in quotes, or a tensor's shape or type.
_GOOD_START = re.compile(r"[A-Z`\"\[]|(u?int|b?float)\d*\b|(bool|string)\b")
_BAD_START = re.compile(r"(Of|Likewise|What|Where)\b", re.IGNORECASE)


def _named(paths: list[str]) -> list[tuple[str, str]]:
    """The names of tests for each path, and the paths."""
    return [(re.sub(r"\W", "_", path), path) for path in paths]


class Docstring(NamedTuple):
    """A docstring and where it is."""

    place: str
    text: str


def _docstrings(room: str) -> Iterator[Docstring]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for path in sorted((ROOT / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                name = getattr(node, "name", "module")
                place = f"{path.relative_to(ROOT)}, {name}"
                yield Docstring(place, text)


def _entries(text: str) -> Iterator[str]:
    """The entries of Args, Attributes, Returns, Yields and Raises.

    Args:
      text: A docstring without indentation.

    Yields:
      The text of an entry, without its name, on one line.
    """
    for section, body in _SECTION.findall(text):
        # In these sections each entry has a name, at this indentation.
        named = section in ("Args", "Attributes", "Raises")
        for entry in re.split(r"\n(?=  \S)", body) if named else [body]:
            words = entry.split(": ", 1)[-1] if named else entry
            yield " ".join(words.split())


def _sentences(text: str) -> tuple[int, int]:
    """The numbers of sentences and of semicolons, code and HTML left out."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`|<[^>]*>|(?m:^ {4}.*$)", "x", text)
    return len(re.findall(r"[.!?](?=\s|$)", text)), text.count(";")


class DocstringTest(parameterized.TestCase):
    def test_entries_are_found(self):
        text = inspect.cleandoc(
            """Summary.

            Args:
              first: One
                two; three.
              second: Four: five.

            Returns:
              Six
              seven.

            Raises:
              InputError: Eight.
            """
        )
        self.assertEqual(
            list(_entries(text)),
            ["One two; three.", "Four: five.", "Six seven.", "Eight."],
        )

    @parameterized.named_parameters(*_named(ROOMS))
    def test_an_entry_stands_alone(self, room):
        """It starts with a capital or code, and does not lean on its name."""
        bad = [
            f"{place}: {entry}"
            for place, text in _docstrings(room)
            for entry in _entries(text)
            if not _GOOD_START.match(entry) or _BAD_START.match(entry)
        ]
        self.assertEmpty(bad, "\n".join(bad))

    @parameterized.named_parameters(*_named(ROOMS))
    def test_no_entry_points_to_its_neighbour(self, room):
        bad = [
            place
            for place, text in _docstrings(room)
            if re.search(r"\blikewise\b", text, re.IGNORECASE)
        ]
        self.assertEmpty(bad, "likewise: " + ", ".join(bad))


class SemicolonTest(parameterized.TestCase):
    def _check(self, texts: list[str]) -> None:
        counts = list(map(_sentences, texts))
        sentences, semicolons = map(sum, zip(*counts, strict=True))
        self.assertLessEqual(
            semicolons,
            max(1, SEMICOLONS_PER_100_SENTENCES * sentences / 100),
            f"in {sentences} sentences",
        )

    def test_code_is_left_out(self):
        self.assertEqual(
            _sentences("One; two. `a; b.` Three?\n```\nx; y.\n```\nFour!"),
            (3, 1),
        )

    @parameterized.named_parameters(*_named(DOCUMENTS))
    def test_a_document_has_few(self, name):
        self._check([(ROOT / name).read_text()])

    @parameterized.named_parameters(*_named(ROOMS))
    def test_a_rooms_docstrings_have_few(self, room):
        self._check([text for _, text in _docstrings(room)])


if __name__ == "__main__":
    absltest.main()
