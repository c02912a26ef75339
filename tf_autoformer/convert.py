r"""Converts supernets from and to the official PyTorch code's checkpoints.

  python -m tf_autoformer.convert --official_checkpoint=FILE.pth --workdir=DIR
  python -m tf_autoformer.convert --workdir=DIR --export_official=FILE.pth

The first makes a working folder for train, search, evaluate and export. Both
need PyTorch (pip install torch).
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import ClassVar

from tf_autoformer import binary, rules, shared_options
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space as search_space_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Images):
    """Flags of `convert`.

    Attributes:
      workdir: Folder of the supernet.
      official_checkpoint: A .pth file of the official code, to make the
        working folder of.
      export_official: A .pth file to make of the working folder's supernet.
      dataset: Data set that the supernet is for. Default: one with as many
        classes.
      search_space: Search space that the supernet is for. Default: the
        paper's of this size, or everything that fits.
      pooling: Input of the classification head. Default: as the checkpoint's
        args say, or else average.
      image_size: Image size that the checkpoint was trained on: 224, or
        height and width, as 224x320. Needed only if it has no position
        embedding.
      architecture: Subnet whose number of heads the exported QKV bias is laid
        out for. Default: the largest.
    """

    workdir: pathlib.Path = rules.field(dataclasses.MISSING, rules.LITERAL_PATH)
    official_checkpoint: pathlib.Path | None = None
    export_official: pathlib.Path | None = None
    search_space: search_space_lib.SearchSpace | None = None
    pooling: model_lib.Pooling | None = None
    image_size: model_lib.ImageSize | None = None
    architecture: architecture_lib.Architecture | None = None

    DIRECTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "official_checkpoint": (
            "dataset",
            "image_folder",
            "max_image_pixels",
            "search_space",
            "pooling",
            "image_size",
        ),
        "export_official": ("architecture",),
    }


def main(options: Options) -> None:
    """Converts one way or the other."""
    # Late, so that flags are read and explained without TensorFlow.
    from tf_autoformer.official import conversion

    workdir = workdir_lib.Workdir(options.workdir)
    if options.official_checkpoint is not None:
        untold = conversion.Untold(
            options.dataset_name,
            options.max_image_pixels,
            options.search_space,
            options.pooling,
            options.image_size,
        )
        conversion.from_official(options.official_checkpoint, workdir, untold)
    else:
        conversion.to_official(
            workdir, options.export_official, options.architecture
        )


if __name__ == "__main__":
    binary.run(main, Options)
