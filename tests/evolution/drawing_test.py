"""Random architectures, each once, for as long as there are new ones."""

import random
from collections.abc import Sequence
from unittest import mock

from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer import errors, progress
from tf_autoformer.evolution import drawing
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint

# Architectures by a letter. No draw succeeds for a dot.
_LETTERS = {
    letter: architecture_lib.Architecture(8, 1, (1,), (ratio,))
    for letter, ratio in zip("abc", (0.5, 1.0, 2.0), strict=True)
}


class _Drawn(constraint.Constraint):
    """A constraint whose draws are given. After the last they all fail."""

    def __init__(self, draws: str):
        super().__init__(tiny.SPACE, tiny.MODEL, {})
        # The dataclass is frozen.
        object.__setattr__(self, "left", list(draws))

    def sample(self, rng: random.Random) -> architecture_lib.Architecture:
        letter = self.left.pop(0) if self.left else "."
        if letter == ".":
            raise errors.InputError("no architecture found")
        return _LETTERS[letter]


def _draw(draws: str, count: int, known: str = "", **options) -> Sequence[str]:
    names = {each: letter for letter, each in _LETTERS.items()}
    found = drawing.distinct(
        _Drawn(draws),
        count,
        random.Random(0),
        [_LETTERS[letter] for letter in known],
        **options,
    )
    return "".join(names[each] for each in found)


class DistinctTest(parameterized.TestCase):
    @parameterized.parameters(
        ("abc", 2, "", 1, "ab"),  # No more than asked for.
        ("aabac", 3, "", 1, "abc"),  # Each once.
        ("abac", 3, "a", 1, "bc"),  # None that is known.
        ("a.b", 3, "", 1, "a"),  # The first failure ends it, ...
        ("a.b..c", 3, "", 2, "ab"),  # ... or the second in a row.
        ("..a", 3, "", 3, "a"),
        ("", 3, "a", 1, ""),
        ("a" * 101 + "b", 3, "", 1, "a"),  # 100 in a row that are known.
        ("a" * 100 + "b", 3, "", 1, "ab"),
    )
    def test_draws_each_new_one_once(self, draws, count, known, tries, wanted):
        self.assertEqual(_draw(draws, count, known, attempts=tries), wanted)

    def test_fails_if_there_is_not_even_one(self):
        with self.assertRaisesRegex(errors.InputError, "no architecture"):
            _draw("..", 3, attempts=2)

    def test_tells_its_progress(self):
        with (
            mock.patch.object(progress, "_REPORT_SECONDS", -1),
            self.assertLogs("tf_autoformer", "INFO") as logs,
        ):
            _draw("aab", 3)

        # Before each draw, also where none is new.
        self.assertLen(logs.output, 4)
        self.assertEndsWith(logs.output[-1], "random draws: 2 of 3")


if __name__ == "__main__":
    absltest.main()
