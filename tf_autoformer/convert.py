r"""Converts supernets from and to the official PyTorch code's checkpoints.

  python -m tf_autoformer.convert --official_checkpoint=FILE.pth --workdir=DIR
  python -m tf_autoformer.convert --workdir=DIR --export_official=FILE.pth

The first makes a working folder for train, search, evaluate and export. Both
need PyTorch (pip install torch).
"""

from tf_autoformer import binary, command_line, config
from tf_autoformer.official import conversion


def main() -> None:
    """Converts one way or the other."""
    read, made = config.official_files()
    if read is not None:
        conversion.from_official(read, config.workdir(), config.untold())
    else:
        conversion.to_official(config.workdir(), made, config.architecture())


if __name__ == "__main__":
    binary.run(main, command_line.define_convert)
