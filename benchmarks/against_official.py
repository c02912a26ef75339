r"""Compares this package with the official PyTorch code and ONNX Runtime.

  python -m benchmarks.against_official --official_repo=DIR \
      --update=docs/performance.md

DIR is a clone of https://github.com/microsoft/Cream. Everything runs on the
CPU. Run nothing else on the machine at the same time.
"""

import importlib.util
import os
import pathlib

from absl import flags

from benchmarks import cases as cases_lib
from benchmarks import comparison, inference, table
from tf_autoformer import binary, errors, files
from tf_autoformer.space import search_space

FLAGS = flags.FLAGS

_OFFICIAL = (*cases_lib.PAIRED, *cases_lib.FRESH)
_CASES = (*_OFFICIAL, "inference")
# Cases that do not depend on the precision, or are exported in float32 only.
_FLOAT32_ONLY = ("update", "inference")
_PRECISIONS = ("float32", "bfloat16")
_MODELS = tuple(
    name
    for name, space in search_space.SEARCH_SPACES.items()
    if space.published
)


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "official_repo",
        None,
        "Clone of microsoft/Cream, or its folder AutoFormer. Needed by all "
        "cases except inference.",
    )
    for name, default, choices, text in (
        ("models", "tiny,small", _MODELS, "Supernets to compare"),
        ("precisions", ",".join(_PRECISIONS), _PRECISIONS, "Precisions to use"),
        ("cases", ",".join(_CASES), _CASES, "Cases to measure"),
    ):
        flags.DEFINE_list(
            name, default, f"{text}: some of {', '.join(choices)}."
        )
    flags.DEFINE_integer(
        "batch_size",
        16,
        "Images per step. Inference has batch sizes of its own.",
        lower_bound=1,
    )
    flags.DEFINE_integer("rounds", 8, "Turns of each side.", lower_bound=1)
    flags.DEFINE_integer("steps", 5, "Steps per turn.", lower_bound=1)
    flags.DEFINE_integer(
        "seed",
        0,
        "Seed of weights, images and architectures.",
        lower_bound=0,
        upper_bound=2**31 - 1,
    )
    flags.DEFINE_string(
        "update", None, "Markdown file whose table is replaced."
    )
    flags.DEFINE_string("json", None, "JSON file to write every figure to.")


def main() -> None:
    """Runs the measurements and prints their table."""
    cases = _choices("cases", _CASES)
    _require_libraries(cases)
    code = _official_code() if set(cases) & set(_OFFICIAL) else ""
    subjects = [
        comparison.Subject(
            model,
            precision,
            FLAGS.batch_size,
            FLAGS.rounds,
            FLAGS.steps,
            FLAGS.seed,
            code,
        )
        for model in _choices("models", _MODELS)
        for precision in _choices("precisions", _PRECISIONS)
    ]
    plan = [(subject, _possible(subject, cases)) for subject in subjects]
    if not any(chosen for _, chosen in plan):
        raise errors.InputError(
            "precisions is bfloat16; it must have float32 for "
            f"{', '.join(cases)}"
        )
    if FLAGS.update:
        table.split(_path(FLAGS.update))  # Fails before the long work.
    if FLAGS.json:
        files.require_writable(_path(FLAGS.json).parent)

    referee = comparison.Referee(sum(_rounds(chosen) for _, chosen in plan))
    rows = []
    for subject, chosen in plan:
        rows += cases_lib.measure(subject, chosen, referee)
        if "inference" in chosen:
            rows += inference.measure(subject, referee)
    rows.sort(key=lambda row: _CASES.index(row.case.split(",")[0]))
    text = table.markdown(rows, _command())
    if FLAGS.json:
        files.write_json(_path(FLAGS.json), [row._asdict() for row in rows])
    if FLAGS.update:
        table.update(_path(FLAGS.update), text)
    print(text, end="")


def _possible(subject: comparison.Subject, cases: list[str]) -> list[str]:
    """The cases that are measured in the subject's precision."""
    if subject.precision == "float32":
        return cases
    return [case for case in cases if case not in _FLOAT32_ONLY]


def _rounds(cases: list[str]) -> int:
    """Number of rounds that the cases of one subject take."""
    rounds = {
        "first_step": cases_lib.STARTS,
        "memory": 1,
        "inference": len(inference.BATCH_SIZES) * FLAGS.rounds,
    }
    total = sum(rounds.get(case, FLAGS.rounds) for case in cases)
    paired = set(cases) & set(cases_lib.PAIRED)
    return total + FLAGS.rounds * bool(paired)  # The peak.


def _choices(flag: str, known: tuple[str, ...]) -> list[str]:
    """The entries of a list flag.

    Raises:
      InputError: The list is empty, or an entry is unknown.
    """
    entries = list(dict.fromkeys(FLAGS[flag].value))
    if not entries or not set(entries) <= set(known):
        raise errors.InputError(
            f"{flag} is {','.join(entries)!r}; it must be some of "
            f"{', '.join(known)}, with commas between"
        )
    return entries


def _official_code() -> str:
    """The folder that holds the official code.

    Raises:
      InputError: The code is not in the folder that the flag names.
    """
    if not FLAGS.official_repo:
        raise errors.InputError(
            "official_repo is missing; it must be a clone of "
            "https://github.com/microsoft/Cream"
        )
    for folder in (
        _path(FLAGS.official_repo) / "AutoFormer",
        _path(FLAGS.official_repo),
    ):
        if (folder / "model" / "supernet_transformer.py").is_file():
            return str(folder.absolute())
    raise errors.InputError(
        f"official_repo is {FLAGS.official_repo}; it must hold "
        "AutoFormer/model/supernet_transformer.py"
    )


def _require_libraries(cases: list[str]) -> None:
    needed = {"torch"} if set(cases) & set(_OFFICIAL) else set()
    if "inference" in cases:
        needed |= {"onnxruntime", "tf2onnx"}
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        raise errors.InputError(
            f"{', '.join(sorted(missing))} must be installed: "
            "pip install -r requirements-dev.txt"
        )


def _path(text: str) -> pathlib.Path:
    return pathlib.Path(os.path.expanduser(text))


def _command() -> str:
    """The command that was typed, without paths of this machine."""
    words = ["python -m benchmarks.against_official"]
    if FLAGS.official_repo:
        words.append("--official_repo=DIR")
    names = ("models", "precisions", "cases", "batch_size", "rounds", "steps")
    words += [
        FLAGS[name].serialize()
        for name in (*names, "seed")
        if FLAGS[name].present
    ]
    return " ".join(words)


if __name__ == "__main__":
    binary.run(main, define)
