r"""Exports any architecture of a trained supernet as a SavedModel.

python -m tf_autoformer.export --workdir=DIR --architecture=FILE.json \
      --export_dir=OUT
"""

import dataclasses
import pathlib

from tf_autoformer import binary, rules, shared_options
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Folders):
    """Flags of `export`.

    Attributes:
      architecture: Subnet to export. A fine-tuned network has only one, and
        needs no name.
      export_dir: Folder to make for the SavedModel.
      image_size: Input size in pixels: 224, or height and width, as 224x320.
        Default: the supernet's. For another size the position embedding is
        interpolated.
    """

    architecture: architecture_lib.Architecture | None = None
    export_dir: pathlib.Path = rules.field(
        dataclasses.MISSING, rules.LITERAL_PATH
    )
    image_size: model_lib.ImageSize | None = None


def main(options: Options) -> None:
    """Exports the subnet with inherited weights."""
    workdir = workdir_lib.Workdir(options.workdir)
    architecture = workdir.experiment.subnet(options.architecture)
    # Late, so that flags are read and explained without TensorFlow.
    import tensorflow as tf

    from tf_autoformer.serving import model_card, savedmodel

    savedmodel.require_free(options.export_dir)
    trained = workdir.trained(tf.distribute.get_strategy(), options.data_dir)
    savedmodel.export(
        trained.supernet,
        architecture,
        trained.source,
        options.export_dir,
        options.image_size,
        model_card.Origin(workdir.experiment.dataset),
    )


if __name__ == "__main__":
    binary.run(main, Options)
