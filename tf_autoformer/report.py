"""Reports on a search: its subnet against others, on the test split.

python -m tf_autoformer.report --workdir=DIR
"""

from tf_autoformer import binary, command_line, config
from tf_autoformer.analysis import report


def main() -> None:
    """Prints the report."""
    result = report.Report(
        config.workdir(),
        config.name(),
        config.export_folder(),
        config.data_dir(),
    )
    for line in result.lines():
        print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, command_line.define_report)
