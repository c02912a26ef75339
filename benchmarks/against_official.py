r"""Compares this package with the official PyTorch code and ONNX Runtime.

  python -m benchmarks.against_official --official_repo=DIR \
      --update=docs/performance.md

DIR is a clone of https://github.com/microsoft/Cream. Everything runs on the
CPU, or with --device=gpu training and forward passes run on one GPU. Run
nothing else on the machine at the same time.
"""

import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

from benchmarks import cases as cases_lib
from benchmarks import comparison, inference, on_gpu, table
from tf_autoformer import binary, errors, files, rules

_OFFICIAL = (*cases_lib.PAIRED, *cases_lib.FRESH)
_CASES = (*_OFFICIAL, "inference")
# Cases that do not depend on the precision, or are exported in float32 only.
_FLOAT32_ONLY = ("update", "inference")
_PRECISIONS = ("float32", "bfloat16")
_BATCH_SIZES = {"cpu": 16, "gpu": 256}
# Options that the table's command shows.
_SHOWN = (
    *("device", "compile", "models", "precisions", "cases"),
    *("batch_size", "rounds", "steps", "seed"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the comparison.

    Attributes:
      official_repo: A clone of microsoft/Cream, or its folder AutoFormer. Not
        needed for inference alone.
      official_python: Interpreter that has PyTorch. Default: this one.
      device: "gpu" measures on a GPU, without the case inference.
      compile: Whether XLA compiles our side: always, never, or "auto" for on
        a GPU only.
      models: Search spaces of the supernets.
      precisions: Precisions of the matrix products.
      cases: Cases to measure. Default: all that the device has.
      batch_size: Number of images in a step; not for inference. Default: 16,
        on a GPU 256.
      rounds: Number of turns of each side.
      steps: Number of steps in a turn.
      seed: Seed of weights, images and architectures.
      update: Markdown file whose table for the device to replace.
      json: File to write every figure to, as soon as it is measured.
    """

    official_repo: pathlib.Path | None = None
    official_python: str = sys.executable
    device: Literal["cpu", "gpu"] = "cpu"
    compile: Literal["auto", "on", "off"] = "auto"
    models: tuple[str, ...] = rules.field(
        ("tiny", "small"), values=", ".join(comparison.MODELS)
    )
    precisions: tuple[str, ...] = rules.field(
        _PRECISIONS, values=", ".join(_PRECISIONS)
    )
    cases: tuple[str, ...] = rules.field((), values=", ".join(_CASES))
    batch_size: int | None = rules.field(None, lower_bound=1)
    rounds: int = rules.field(8, lower_bound=1)
    steps: int = rules.field(5, lower_bound=1)
    seed: int = rules.field(0, lower_bound=0, upper_bound=2**31 - 1)
    update: pathlib.Path | None = None
    json: pathlib.Path | None = None


def main(options: Options) -> None:
    """Measures, and prints the table."""
    on_a_gpu = options.device == "gpu"
    known = on_gpu.CASES if on_a_gpu else _CASES
    cases = _choices("cases", options.cases or known, known)
    code = ""
    if set(cases) & set(_OFFICIAL):
        code = _official_code(options.official_repo)
    subjects = [
        comparison.Subject(
            model,
            precision,
            options.batch_size or _BATCH_SIZES[options.device],
            options.rounds,
            options.steps,
            options.seed,
            code,
            options.device,
            options.compile,
            options.official_python,
        )
        for model in _choices("models", options.models, comparison.MODELS)
        for precision in _choices("precisions", options.precisions, _PRECISIONS)
    ]
    _require_libraries(cases, options.official_python)
    plan = [(subject, _possible(subject, cases)) for subject in subjects]
    if not any(chosen for _, chosen in plan):
        raise errors.InputError(
            "precisions is bfloat16; it must have float32 for "
            f"{', '.join(cases)}"
        )
    if options.update:
        table.split(options.update, options.device)  # Before the long work.
    if options.json:
        files.require_writable(options.json.parent)

    turns = on_gpu.turns if on_a_gpu else _turns
    referee = comparison.Referee(
        sum(turns(chosen, options.rounds) for _, chosen in plan)
    )
    rows: list[table.Row] = []

    def report(row: table.Row) -> None:
        print(table.line(row), file=sys.stderr, flush=True)
        rows.append(row)
        if options.json:
            files.write_json(options.json, [each._asdict() for each in rows])

    machine = ""
    for subject, chosen in plan:
        if on_a_gpu:
            machine = on_gpu.measure(subject, chosen, referee, report)
            continue
        cases_lib.measure(subject, chosen, referee, report)
        if "inference" in chosen:
            inference.measure(subject, referee, report)
    rows.sort(key=lambda row: known.index(row.case.split(",")[0]))
    text = table.markdown(rows, _command(options), options.device, machine)
    if options.update:
        table.update(options.update, text, options.device)
    print(text, end="")


def _possible(subject: comparison.Subject, cases: Sequence[str]) -> list[str]:
    """The cases that are measured in the subject's precision."""
    if subject.device == "gpu" or subject.precision == "float32":
        return list(cases)
    return [case for case in cases if case not in _FLOAT32_ONLY]


def _turns(cases: Sequence[str], rounds: int) -> int:
    """The number of turns of a subject, which the referee counts."""
    turns = {
        "first_step": cases_lib.STARTS,
        "memory": 1,
        "inference": len(inference.BATCH_SIZES) * rounds,
    }
    total = sum(turns.get(case, rounds) for case in cases)
    paired = set(cases) & set(cases_lib.PAIRED)
    return total + rounds * bool(paired)  # The peak.


def _choices(
    flag: str, value: Sequence[str], known: Sequence[str]
) -> list[str]:
    """The entries of a list flag.

    Raises:
      InputError: The list is empty, or an entry is unknown.
    """
    entries = list(dict.fromkeys(value))
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


def _require_libraries(cases: Sequence[str], official_python: str) -> None:
    """Fails before the work that would miss a library.

    Raises:
      InputError: A library is missing.
    """
    needed = {"onnxruntime", "tf2onnx"} if "inference" in cases else set()
    if set(cases) & set(_OFFICIAL):
        if official_python == sys.executable:
            needed |= {"torch"}
        elif not _imports_torch(official_python):
            raise errors.InputError(
                f"official_python is {official_python!r}; it must be an "
                "interpreter that imports torch and numpy"
            )
    comparison.require_installed(needed, "-r requirements-dev.txt")


def _imports_torch(python: str) -> bool:
    try:
        result = subprocess.run(
            [python, "-c", "import numpy, torch"], check=False
        )
    except OSError:
        return False
    return not result.returncode


def _command(options: Options) -> str:
    """The command, without paths of this machine."""
    module = "against_official"
    if options.official_repo:
        module += " --official_repo=DIR"
    return table.command(module, options, _SHOWN)


if __name__ == "__main__":
    binary.run(main, Options)
