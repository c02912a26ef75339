r"""Trains a supernet.

  python -m tf_autoformer.train --flagfile=flags/digits/supernet.flags \
      --workdir=DIR

The same command run again continues where it stopped.
"""

from tf_autoformer import binary, command_line, config
from tf_autoformer.supernet import parallel
from tf_autoformer.training import distribution, loop


def main() -> None:
    """Trains to the last step."""
    parallel.use_cores()
    run = config.run()
    strategy = distribution.make(run.strategy)
    with distribution.rejoining(strategy):
        loop.Trainer(
            config.experiment(),
            config.workdir(),
            config.data_dir(),
            run,
            strategy,
        ).train()


if __name__ == "__main__":
    binary.run(main, command_line.define_train)
