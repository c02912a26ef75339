"""Every flag file says what its golden says, so a changed default is a diff.

  python -m tests.flag_files_test --update

writes the goldens anew. Review how they changed.
"""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import finetune, search, train
from tf_autoformer.experiment import workdir as workdir_lib

ROOT = pathlib.Path(__file__).parent.parent
GOLDENS = ROOT / "tests" / "goldens" / "flags"
FLAG_FILES = sorted((ROOT / "flags").glob("*/*.flags"))


def golden(flag_file: pathlib.Path) -> pathlib.Path:
    """The golden of a flag file."""
    return GOLDENS / f"{flag_file.parent.name}_{flag_file.stem}.json"


def resolved(flag_file: pathlib.Path) -> str:
    """All that a flag file decides, with the defaults, as JSON."""
    values: Mapping[str, Any]
    if flag_file.stem == "search":
        values = _search(_parsed(search.Options, flag_file))
    elif flag_file.stem in ("supernet", "full_recipe"):
        values = _training(_parsed(train.Options, flag_file))
    else:
        values = _finetuning(flag_file)
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _parsed(kind: type, flag_file: pathlib.Path, *before: str) -> Any:
    return options.parse(
        kind, *before, f"--flagfile={flag_file}", "--workdir=new"
    )


def _finetuning(flag_file: pathlib.Path) -> dict[str, Any]:
    # What the command line must add, unless the file has it.
    found = _parsed(
        finetune.Options,
        flag_file,
        "--supernet=/supernet",
        "--architecture=autoformer_s",
    )
    return {
        "task": finetune.task(found).to_dict(),
        "run": dataclasses.asdict(found.run),
    }


def _search(found: search.Options) -> dict[str, Any]:
    return {
        "evolution": dataclasses.asdict(found.evolution),
        "name": found.name,
        "ranges": {
            cost: dataclasses.asdict(allowed)
            for cost, allowed in found.ranges.items()
        },
        "version": found.version,
    }


def _training(found: train.Options) -> dict[str, Any]:
    workdir = workdir_lib.Workdir(found.workdir)
    return {
        "experiment": train.experiment(found, workdir).to_dict(),
        "run": dataclasses.asdict(found.run),
    }


def update() -> None:
    """Writes all goldens anew."""
    for path in GOLDENS.glob("*.json"):
        path.unlink()
    GOLDENS.mkdir(exist_ok=True)
    for flag_file in FLAG_FILES:
        golden(flag_file).write_text(resolved(flag_file))


class FlagFilesTest(parameterized.TestCase):
    def test_there_is_a_golden_for_each_flag_file_and_no_other(self):
        self.assertNotEmpty(FLAG_FILES)
        self.assertCountEqual(
            GOLDENS.glob("*.json"), map(golden, FLAG_FILES), __doc__
        )

    @parameterized.named_parameters(
        (golden(flag_file).stem, flag_file) for flag_file in FLAG_FILES
    )
    def test_a_flag_file_says_what_its_golden_says(self, flag_file):
        self.assertMultiLineEqual(
            resolved(flag_file), golden(flag_file).read_text(), __doc__
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        absltest.main()
