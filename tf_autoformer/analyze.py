r"""Reproduces the paper's tables and figures on your own supernets.

  python -m tf_autoformer.analyze --what=ranking \
      --supernets=runs/fold_1,runs/fold_2,runs/fold_3 --output=DIR

Supernets that differ only in seed and data are one group, and accuracies are
over all their images. The same command run again continues where it stopped.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Literal

from tf_autoformer import (
    binary,
    errors,
    files,
    flag_fields,
    rules,
    shared_options,
)
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import constraint, cost
from tf_autoformer.training import run_config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Compilation):
    """Flags of `analyze`.

    Attributes:
      what: Question to answer. "sample": how accurate are random subnets?
        "ranking": do inherited weights rank subnets as training from scratch
        does? "ablation": which input of the head and which position embedding
        are better? "compare": HAT, BigNAS and AutoFormer under one budget.
        "structure": how do heads and MLP ratio change with depth in
        the subnets that searches found?
      supernets: Working folders of trained supernets, separated by commas.
      output: Folder of tables, pictures and trainings.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      subnets: Number of subnets. Default: 30 for a ranking, 1,000 for a sample,
        20 for each supernet of an ablation, and the 20 best of each search for
        a structure.
      ranges: Mapping of the name of each bounded cost to its range.
      latency: File of latencies that `measure` made, for "compare".
      seed: Seed of the draws.
      search: Name of the searches that "structure" reads. Default: default.
        "compare" makes searches of the names SEARCH_SYSTEM. Default: compare.
      jobs: Number of trainings at a time, which share out the cores. Leave it
        at 1 with GPUs.
      run: How the trainings are run and shown.
    """

    what: Literal["ranking", "compare", "structure", "ablation", "sample"]
    supernets: tuple[str, ...]
    output: pathlib.Path = rules.field(dataclasses.MISSING, rules.LITERAL_PATH)
    data_dir: str | None = rules.field(None, rules.UTF8_PATH)
    subnets: int | None = rules.field(None, rules.at_least(4))
    ranges: Mapping[str, constraint.Range] = flag_fields.ranges(cost.COSTS)
    latency: pathlib.Path | None = None
    seed: int = rules.field(0, *rules.SEED)
    search: str = ""
    jobs: int = rules.field(1, rules.between(1, 1000))
    run: run_config.RunConfig

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.check(self)
        if self.run.strategy == "multi_worker_mirrored":
            raise errors.InputError(
                "strategy is multi_worker_mirrored; a study runs on one machine"
            )
        if not self.supernets:
            raise errors.InputError(
                "supernets is empty; it must be the working folder of a "
                "supernet, or of several"
            )
        for name, users in _USERS.items():
            if getattr(self, name) and self.what not in users:
                names = [f"a bound on {each}" for each in self.ranges]
                given = names[0] if name == "ranges" else name
                raise errors.InputError(
                    f"{given} is given; it is of no use with --what={self.what}"
                )


# Number of subnets that --subnets stands for.
_SUBNETS = {"ranking": 30, "ablation": 20, "sample": 1000, "structure": 20}
# Options that not every question needs, and the questions that do.
_USERS = {
    "subnets": tuple(_SUBNETS),
    "ranges": ("ranking", "compare", "ablation", "sample"),
    "latency": ("compare",),
    "search": ("compare", "structure"),
    "seed": ("ranking", "ablation", "sample"),
}


def main(options: Options) -> None:
    """Answers the question, and prints the table."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.studies import (
        ablation,
        comparison,
        ranking,
        sample,
        structure,
        study,
        supernets,
        tasks,
    )
    from tf_autoformer.supernet import compilation, parallel

    compiling = (options.compile, options.compile_cache, options.tf32)
    compilation.use(*compiling)
    parallel.use_cores()
    count = options.subnets or _SUBNETS.get(options.what)
    output = options.output
    with files.lock(output):
        if options.what == "structure":
            searches = [
                workdir_lib.Workdir(each).search(options.search or "default")
                for each in options.supernets
            ]
            lines = structure.run(searches, output, count)
        else:
            wanted = study.Study(
                supernets.read(options.supernets),
                output,
                tasks.Tasks(output, options.jobs, compiling),
                options.ranges,
                options.seed,
                options.data_dir,
                options.run,
            )
            answers = {
                "ranking": lambda: ranking.run(wanted, count),
                "compare": lambda: comparison.run(
                    wanted, options.latency, options.search or "compare"
                ),
                "ablation": lambda: ablation.run(wanted, count),
                "sample": lambda: sample.run(wanted, count),
            }
            lines = answers[options.what]()
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, Options)
