r"""Compares this package with the official PyTorch code and ONNX Runtime.

  python -m benchmarks.against_official --official_repo=DIR \
      --update=docs/performance.md

DIR is a clone of https://github.com/microsoft/Cream. All of it runs on the
CPU, and needs the machine for itself.
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
# What the precision makes no difference to, or is not exported in.
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
        "A clone of microsoft/Cream, or its folder AutoFormer; all cases but "
        "inference need it.",
    )
    for name, default, choices in (
        ("models", "tiny,small", _MODELS),
        ("precisions", ",".join(_PRECISIONS), _PRECISIONS),
        ("cases", ",".join(_CASES), _CASES),
    ):
        flags.DEFINE_list(name, default, f"Some of {', '.join(choices)}.")
    flags.DEFINE_integer(
        "batch_size", 16, "Images of a step; not for inference.", lower_bound=1
    )
    flags.DEFINE_integer("rounds", 8, "Turns of each side.", lower_bound=1)
    flags.DEFINE_integer("steps", 5, "Steps of a turn.", lower_bound=1)
    flags.DEFINE_integer(
        "seed",
        0,
        "Of weights, images and architectures.",
        lower_bound=0,
        upper_bound=2**31 - 1,
    )
    flags.DEFINE_string("update", None, "Markdown file whose table to replace.")
    flags.DEFINE_string("json", None, "File to write every figure to.")


def main() -> None:
    """Measures, and prints the table."""
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
    """Those of the cases that are measured in the subject's precision."""
    if subject.precision == "float32":
        return cases
    return [case for case in cases if case not in _FLOAT32_ONLY]


def _rounds(cases: list[str]) -> int:
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
      InputError: there is none, or one is unknown.
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
      InputError: it is not where the flag says.
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
    """What was typed, without a path of this machine's."""
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
