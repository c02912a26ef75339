"""Reports on a search: its subnet against others, on the test split.

python -m tf_autoformer.report --workdir=DIR
"""

import dataclasses
import pathlib
from typing import Any

from tf_autoformer import binary, shared_options
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import bound


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(
    shared_options.Folders,
    shared_options.Moved,
    shared_options.Search,
    shared_options.Compilation,
):
    """Flags of `report`.

    Attributes:
      latency: File of latencies that the search was made with.
    """

    latency: pathlib.Path | None = None


def main(options: Options) -> None:
    """Prints the report."""
    workdir = workdir_lib.Workdir(options.workdir)
    measured = bound.read(
        options.latency, workdir.experiment.model, workdir.experiment.space
    )
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.analysis import report
    from tf_autoformer.supernet import compilation

    compilation.use(options.compile, options.compile_cache, options.tf32)
    further: tuple[Any, ...] = ()
    if measured is not None:
        own = workdir.search(options.name).latency
        further = (bound.predicted(measured),), bound.measured(own, measured)
    result = report.Report(
        workdir,
        options.name,
        workdir.export(options.version),
        options.data_dir,
        options.dataset_name,
        *further,
    )
    for line in result.lines():
        print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, Options)
