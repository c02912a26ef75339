r"""Exports any architecture of a trained supernet as a SavedModel.

python -m tf_autoformer.export --workdir=DIR --architecture=FILE.json \
      --export_dir=OUT
"""

import tensorflow as tf

from tf_autoformer import binary, command_line, config
from tf_autoformer.serving import savedmodel


def main() -> None:
    """Exports the subnet with inherited weights."""
    workdir, folder = config.workdir(), config.export_dir()
    architecture = config.architecture()
    savedmodel.require_free(folder)
    trained = workdir.trained(tf.distribute.get_strategy())
    savedmodel.export(
        trained.supernet,
        architecture,
        trained.experiment.dataset,
        folder,
        config.image_size(),
        config.data_dir(),
    )


if __name__ == "__main__":
    binary.run(main, command_line.define_export)
