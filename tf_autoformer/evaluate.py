r"""Evaluates a subnet of a trained supernet, with inherited weights.

  python -m tf_autoformer.evaluate --workdir=DIR --architecture=FILE.json

Prints top-1 and top-5 accuracy, loss and speed.
"""

from tf_autoformer import binary, command_line, config
from tf_autoformer.evaluation import standalone


def main() -> None:
    """Prints the figures."""
    task = config.evaluation_task()
    for line in standalone.lines(config.workdir(), task):
        print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, command_line.define_evaluate)
