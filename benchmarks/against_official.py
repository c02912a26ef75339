r"""Compares this package with the official PyTorch code and ONNX Runtime.

  python -m benchmarks.against_official --official_repo=DIR \
      --update=docs/performance.md

DIR is a clone of https://github.com/microsoft/Cream. Everything runs on the
CPU. Run nothing else on the machine at the same time.
"""

import dataclasses
import importlib.util
import pathlib

from benchmarks import cases as cases_lib
from benchmarks import comparison, inference, table
from tf_autoformer import binary, errors, files, rules

_OFFICIAL = (*cases_lib.PAIRED, *cases_lib.FRESH)
_CASES = (*_OFFICIAL, "inference")
# Cases that do not depend on the precision, or are exported in float32 only.
_FLOAT32_ONLY = ("update", "inference")
_PRECISIONS = ("float32", "bfloat16")
# Options that the table's command shows.
_SHOWN = (
    *("models", "precisions", "cases"),
    *("batch_size", "rounds", "steps", "seed"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the comparison.

    Attributes:
      official_repo: A clone of microsoft/Cream, or its folder AutoFormer. Not
        needed for inference alone.
      models: Search spaces of the supernets.
      precisions: Precisions of the matrix products.
      cases: Cases to measure.
      batch_size: Number of images in a step; not for inference.
      rounds: Number of turns of each side.
      steps: Number of steps in a turn.
      seed: Seed of weights, images and architectures.
      update: Markdown file whose table to replace.
      json: File to write every figure to.
    """

    official_repo: pathlib.Path | None = None
    models: tuple[str, ...] = rules.field(
        ("tiny", "small"), values=", ".join(comparison.MODELS)
    )
    precisions: tuple[str, ...] = rules.field(
        _PRECISIONS, values=", ".join(_PRECISIONS)
    )
    cases: tuple[str, ...] = rules.field(_CASES, values=", ".join(_CASES))
    batch_size: int = rules.field(16, lower_bound=1)
    rounds: int = rules.field(8, lower_bound=1)
    steps: int = rules.field(5, lower_bound=1)
    seed: int = rules.field(0, lower_bound=0, upper_bound=2**31 - 1)
    update: pathlib.Path | None = None
    json: pathlib.Path | None = None


def main(options: Options) -> None:
    """Measures, and prints the table."""
    cases = _choices(options, "cases", _CASES)
    _require_libraries(cases)
    code = ""
    if set(cases) & set(_OFFICIAL):
        code = _official_code(options.official_repo)
    subjects = [
        comparison.Subject(
            model,
            precision,
            options.batch_size,
            options.rounds,
            options.steps,
            options.seed,
            code,
        )
        for model in _choices(options, "models", comparison.MODELS)
        for precision in _choices(options, "precisions", _PRECISIONS)
    ]
    plan = [(subject, _possible(subject, cases)) for subject in subjects]
    if not any(chosen for _, chosen in plan):
        raise errors.InputError(
            "precisions is bfloat16; it must have float32 for "
            f"{', '.join(cases)}"
        )
    if options.update:
        table.split(options.update)  # Fails before the long work.
    if options.json:
        files.require_writable(options.json.parent)

    referee = comparison.Referee(
        sum(_turns(chosen, options.rounds) for _, chosen in plan)
    )
    rows = []
    for subject, chosen in plan:
        rows += cases_lib.measure(subject, chosen, referee)
        if "inference" in chosen:
            rows += inference.measure(subject, referee)
    rows.sort(key=lambda row: _CASES.index(row.case.split(",")[0]))
    text = table.markdown(rows, _command(options))
    if options.json:
        files.write_json(options.json, [row._asdict() for row in rows])
    if options.update:
        table.update(options.update, text)
    print(text, end="")


def _possible(subject: comparison.Subject, cases: list[str]) -> list[str]:
    """The cases that are measured in the subject's precision."""
    if subject.precision == "float32":
        return cases
    return [case for case in cases if case not in _FLOAT32_ONLY]


def _turns(cases: list[str], rounds: int) -> int:
    """The number of turns of a subject, which the referee counts."""
    turns = {
        "first_step": cases_lib.STARTS,
        "memory": 1,
        "inference": len(inference.BATCH_SIZES) * rounds,
    }
    total = sum(turns.get(case, rounds) for case in cases)
    paired = set(cases) & set(cases_lib.PAIRED)
    return total + rounds * bool(paired)  # The peak.


def _choices(options: Options, flag: str, known: tuple[str, ...]) -> list[str]:
    """The entries of a list flag.

    Raises:
      InputError: The list is empty, or an entry is unknown.
    """
    entries = list(dict.fromkeys(getattr(options, flag)))
    if not entries or not set(entries) <= set(known):
        raise errors.InputError(
            f"{flag} is {','.join(entries)!r}; it must be some of "
            f"{', '.join(known)}, with commas between"
        )
    return entries


def _official_code(repo: pathlib.Path | None) -> str:
    """The folder that holds the official code.

    Raises:
      InputError: The code is not in the folder of the flag.
    """
    if repo is None:
        raise errors.InputError(
            "official_repo is missing; it must be a clone of "
            "https://github.com/microsoft/Cream"
        )
    for folder in (repo / "AutoFormer", repo):
        if (folder / "model" / "supernet_transformer.py").is_file():
            return str(folder.absolute())
    raise errors.InputError(
        f"official_repo is {repo}; it must hold "
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


def _command(options: Options) -> str:
    """The command, without paths of this machine."""
    module = "against_official"
    if options.official_repo:
        module += " --official_repo=DIR"
    return table.command(module, options, _SHOWN)


if __name__ == "__main__":
    binary.run(main, Options)
