r"""Evaluates a subnet of a trained supernet, or a fine-tuned network.

  python -m tf_autoformer.evaluate --workdir=DIR --architecture=FILE.json

Prints top-1 and top-5 accuracy, loss and speed.
"""

import dataclasses

from tf_autoformer import binary, rules, shared_options
from tf_autoformer.data.sources import names
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Folders, shared_options.Images):
    """Flags of `evaluate`.

    Attributes:
      architecture: Subnet to evaluate. A fine-tuned network has only one, and
        needs no name.
      dataset: Data set with the supernet's classes. Default: the supernet's.
      split: Split to evaluate on.
      image_size: Input size in pixels: 224, or height and width, as 224x320.
        Default: the supernet's. For another size the position embedding is
        interpolated.
      batch_size: Number of images in a batch.
    """

    architecture: architecture_lib.Architecture | None = None
    split: names.Split = "test"
    image_size: model_lib.ImageSize | None = None
    batch_size: int = rules.field(256, rules.POSITIVE, lower_bound=1)


def main(options: Options) -> None:
    """Prints the figures."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.evaluation import standalone

    task = standalone.Task(
        architecture=options.architecture,
        dataset=options.dataset_name,
        split=options.split,
        image_size=options.image_size,
        batch_size=options.batch_size,
        data_dir=options.data_dir,
        max_pixels=options.max_image_pixels,
    )
    workdir = workdir_lib.Workdir(options.workdir)
    for line in standalone.lines(workdir, task):
        print(line, flush=True)


if __name__ == "__main__":
    binary.run(main, Options)
