"""Reports on a search: its subnet against others, on the test split.

python -m tf_autoformer.report --workdir=DIR
"""

import dataclasses

from tf_autoformer import binary, shared_options
from tf_autoformer.experiment import workdir as workdir_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(
    shared_options.Folders,
    shared_options.Moved,
    shared_options.Search,
    shared_options.Compilation,
):
    """Flags of `report`."""


def main(options: Options) -> None:
    """Prints the report."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.analysis import report
    from tf_autoformer.supernet import compilation

    compilation.use(options.compile, options.compile_cache, options.tf32)
    workdir = workdir_lib.Workdir(options.workdir)
    result = report.Report(
        workdir,
        options.name,
        workdir.export(options.version),
        options.data_dir,
        options.dataset_name,
    )
    for line in result.lines():
        print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, Options)
