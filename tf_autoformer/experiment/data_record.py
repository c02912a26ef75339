"""The data of a supernet, as its working folder remembers them."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_autoformer import errors
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.space import parsing

if TYPE_CHECKING:
    from tf_autoformer.data.sources import datasets


@dataclasses.dataclass(frozen=True)
class DataRecord:
    """The data of a supernet.

    Attributes:
      source: Classes and pixels that the supernet knows.
      splits: Mapping of each split to its size and digest. See
        `Dataset.record`. Empty for weights from elsewhere, until they are
        trained or searched.
    """

    source: source_lib.Source
    splits: Mapping[str, Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which `from_dict` reads."""
        return {"version": 1, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Any) -> "DataRecord":
        """Reads the JSON form.

        Raises:
          InputError: A field is missing, unknown or of the wrong type, or a
            later version of this program wrote it.
        """
        parsing.fields("a data record", values, ("version", "source", "splits"))
        if values["version"] != 1:
            raise errors.InputError(
                f"version is {errors.shown(values['version'])}; this program "
                "reads 1"
            )
        splits = parsing.mapping("splits", values["splits"])
        for name, split in splits.items():
            parsing.fields(f"split {name}", split, ("images", "digest"))
            parsing.typed("images", split["images"], int)
            parsing.typed("digest", split["digest"], str)
        return cls(source_lib.Source.from_dict(values["source"]), splits)

    def require(self, split: names.Split, found: Mapping[str, Any]) -> None:
        """Checks that a split is the same as before.

        Args:
          split: Name of the split.
          found: Its size and digest now.

        Raises:
          InputError: It has other images.
        """
        known = self.splits.get(split, found)
        if known != found:
            raise errors.InputError(
                f"the {split} split has changed: it had {known['images']:,} "
                f"images, now it has {found['images']:,}, not all the same; "
                "use the images of before, or another workdir"
            )


def of(dataset: "datasets.Dataset") -> DataRecord:
    """The record of a data set as it is now.

    Raises:
      InputError: A split is empty or cannot be made. See `Dataset.record`.
    """
    splits = {split: dataset.record(split) for split in ("train", "validation")}
    # Who only trains may have no test images.
    with contextlib.suppress(errors.InputError):
        splits["test"] = dataset.record("test")
    return DataRecord(dataset.source, splits)
