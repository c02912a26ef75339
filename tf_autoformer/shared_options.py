"""Options that several binaries have."""

import dataclasses
import pathlib
import re
from typing import Any, Literal

from tf_autoformer import errors, rules
from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folders:
    """Where the supernet and the data are.

    Attributes:
      workdir: Folder of the supernet and of all that is made from it.
      data_dir: Folder of prepared data sets, local or of a bucket. Default:
        ~/tensorflow_datasets.
    """

    workdir: pathlib.Path = rules.field(dataclasses.MISSING, rules.LITERAL_PATH)
    data_dir: str | None = rules.field(None, rules.UTF8_PATH)


def _image_folder() -> Any:
    return rules.field(
        None,
        rules.Rule(
            "a folder of this machine", lambda folder: "://" not in folder
        ),
        rules.UTF8_PATH,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """Images, by the name of a data set or by a folder.

    Attributes:
      dataset: Name of a data set.
      image_folder: Your own images instead of --dataset: DIR/CLASS/*.jpg, or
        DIR/train/CLASS/*.jpg with an optional DIR/test.
      max_image_pixels: Largest number of pixels of an image. A folder is used
        without its larger images. Default: the value that the supernet was
        made with, or else 89,478,485. At most 536,870,911, as TensorFlow
        decodes no larger image.
    """

    dataset: str | None = rules.field(
        None,
        values=f"{', '.join(names.NAMES)} or another of tensorflow-datasets",
    )
    image_folder: str | None = _image_folder()
    max_image_pixels: int | None = rules.field(None, *pixel_limit.RULES)

    def __post_init__(self) -> None:
        if self.image_folder is not None and self.dataset is not None:
            raise errors.InputError(
                f"image_folder is {self.image_folder!r} and dataset is "
                f"{self.dataset!r}; only one of them can be given"
            )
        rules.check(self)

    @property
    def dataset_name(self) -> str | None:
        """The name of the data set or of the folder. None: neither."""
        if self.image_folder is None:
            return self.dataset
        return names.of_folder(self.image_folder)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """Where the supernet's own images are now.

    Attributes:
      image_folder: Folder of the supernet's images, if it has moved since.
    """

    image_folder: str | None = _image_folder()

    @property
    def dataset_name(self) -> str | None:
        """The name of the folder as a data set. None: it has not moved."""
        if self.image_folder is None:
            return None
        return names.of_folder(self.image_folder)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compilation:
    """How a supernet is computed.

    Attributes:
      compile: Whether XLA compiles the network. "auto": if there is a GPU.
      compile_cache: Folder of compiled programs for GPUs, which later runs load
        instead of compiling anew. Empty: none are kept.
      tf32: Whether a GPU that can computes products of float32 in TF32, with
        10 bits of mantissa.
    """

    compile: Literal["auto", "on", "off"] = "auto"
    compile_cache: str = rules.field(
        "~/.cache/tf_autoformer/xla",
        rules.UTF8_PATH,
        rules.Rule(
            "a path without spaces", lambda path: path == "".join(path.split())
        ),
    )
    tf32: bool = True

    def __post_init__(self) -> None:
        rules.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """One search of a supernet, and its export.

    Attributes:
      name: Name of the search. Its folder is WORKDIR/search/NAME.
      version: Number of the export of the subnet found. Its folder is
        WORKDIR/export/VERSION.
    """

    name: str = rules.field(
        "default",
        rules.Rule(
            "a plain folder name",
            lambda name: re.fullmatch(r"[\w.-]*\w[\w.-]*", name) is not None,
        ),
    )
    version: int = rules.field(1, rules.at_least(1))

    def __post_init__(self) -> None:
        rules.check(self)
