"""Describes an architecture without weights: parameters, MACs, a picture.

python -m tf_autoformer.describe --architecture=FILE.json --search_space=small
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_autoformer import binary, files, flag_fields, rules
from tf_autoformer.analysis import description
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import search_space as search_space_lib

_DEFAULT = model_lib.ModelConfig(num_classes=1000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of `describe`.

    Attributes:
      architecture: Subnet to describe.
      workdir: Folder of a supernet. It has the network and the search space
        of flags that are not given.
      search_space: Search space that must contain the architecture. Default:
        that of --workdir, if given.
      model: Given fields of the network, without those that change no cost.
      picture: PNG file to draw the architecture to.
    """

    architecture: architecture_lib.Architecture
    workdir: pathlib.Path | None = None
    search_space: search_space_lib.SearchSpace | None = None
    model: Mapping[str, Any] = flag_fields.given(
        _DEFAULT,
        without=("channels", "qkv_bias_layout", "drop_path", "init_stddev"),
    )
    picture: pathlib.Path | None = rules.field(None, suffix=".png")


def main(options: Options) -> None:
    """Prints the description and draws the picture."""
    model, space = network(options)
    for line in description.lines(options.architecture, model, space):
        print(line)
    if options.picture is not None:
        # Late, as Matplotlib takes longer to start than all the rest.
        from tf_autoformer.analysis import pictures

        drawing = pictures.architecture(options.architecture, model)
        files.write_bytes(options.picture, pictures.png(drawing))
        print(f"picture: {options.picture}")


def network(
    options: Options,
) -> tuple[model_lib.ModelConfig, search_space_lib.SearchSpace | None]:
    """The network of the flags, completed by the folder, and the search space.

    Raises:
      InputError: A value breaks a rule, or the folder holds no supernet.
    """
    model, space = _DEFAULT, None
    if options.workdir is not None:
        found = workdir_lib.Workdir(options.workdir).experiment
        model, space = found.model, found.space
    return (
        dataclasses.replace(model, **options.model),
        options.search_space or space,
    )


if __name__ == "__main__":
    binary.run(main, Options)
