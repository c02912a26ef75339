"""The card of an exported subnet: what it is, where from, how it is run."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tf_autoformer import files
from tf_autoformer.data import pixel_limit
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost
from tf_autoformer.space import model as model_lib

_LABELS = 20  # Classes that the text names. The JSON has all.


@dataclasses.dataclass(frozen=True)
class Origin:
    """What the exporting command knows of the weights.

    Attributes:
      dataset: Name of the data set of the training. None: unknown.
      accuracy: Accuracy on the validation split with these weights, in [0, 1].
        None: not measured.
    """

    dataset: str | None = None
    accuracy: float | None = None


def content(
    architecture: architecture_lib.Architecture,
    model: model_lib.ModelConfig,
    source: source_lib.Source,
    origin: Origin,
    formats: Sequence[str] = ("savedmodel",),
) -> dict[str, Any]:
    """The card as JSON.

    Args:
      architecture: Architecture of the subnet.
      model: Fixed part of the network, with the size exported for.
      source: Classes and pixels that the subnet knows.
      origin: Data set and accuracy.
      formats: Formats of the export.
    """
    height, width = model.input_size
    return {
        "architecture": architecture.to_dict(),
        "image_size": [height, width],
        "patch_size": model.patch_size,
        "pooling": model.pooling,
        "position": model.position,
        **cost.measured(cost.COSTS, model, architecture),
        "dataset": _public(origin.dataset),
        "validation_accuracy": origin.accuracy,
        "labels": list(source.labels),
        "preprocessing": {
            "mean": list(source.mean),
            "std": list(source.std),
            "crop": source.crop,
            "max_pixels": pixel_limit.PIXELS,
            "max_side": pixel_limit.SIDE,
        },
        "formats": list(formats),
        "license": "Apache-2.0",
    }


def _public(dataset: str | None) -> str | None:
    """The name of a data set, without the path of a folder of images."""
    if dataset is None or not dataset.startswith(names.FOLDER):
        return dataset
    return pathlib.PurePath(dataset).name


def write(extra: pathlib.Path, card: dict[str, Any]) -> None:
    """Writes `model_card.json` and, for readers, `model_card.md`.

    Args:
      extra: Folder `assets.extra` of a SavedModel.
      card: The card, see `content`.
    """
    files.write_json(extra / "model_card.json", card)
    files.write_text(extra / "model_card.md", _text(card))


def _text(card: dict[str, Any]) -> str:
    """The card in Markdown."""
    subnet, labels = card["architecture"], card["labels"]
    height, width = card["image_size"]
    accuracy = card["validation_accuracy"]
    measured = "not measured" if accuracy is None else f"{accuracy:.2%}"
    classes = ", ".join(labels[:_LABELS])
    if len(labels) > _LABELS:
        classes += ", … (see labels.json)"
    costs = "\n".join(
        f"| {each.help} | {each.number(card[each.name])} |"
        for each in cost.COSTS
    )
    return f"""# Image classifier

A vision transformer: a subnet of an AutoFormer supernet, with its weights.

| | |
|---|---|
| embedding dimension | {subnet["embed_dim"]} |
| depth | {subnet["depth"]} |
| heads of each block | {", ".join(map(str, subnet["num_heads"]))} |
| MLP ratio of each block | {", ".join(map(str, subnet["mlp_ratio"]))} |
| input | {height} x {width} pixels in patches of {card["patch_size"]} |
{costs}
| data set | {card["dataset"] or "unknown"} |
| validation accuracy | {measured} |
| classes | {len(labels)}: {classes} |

{_use(card)}
## Licence

The code that made this model has the Apache License 2.0. The terms of the data
set apply to the weights as well.
"""


def _use(card: dict[str, Any]) -> str:
    """How the export is used, in Markdown."""
    crop = card["preprocessing"]["crop"]
    cropped = (
        "resized to it"
        if crop is None
        else f"resized, and cropped to the {crop:.1%} in the centre"
    )
    if "savedmodel" not in card["formats"]:
        return f"""The models take RGB pixels in [0, 1] of the size above,
float32 [batch, height, width, 3]. The training's images were {cropped}.
"""
    most = card["preprocessing"]["max_pixels"]
    return f"""`serving_bytes` takes JPEG, PNG, GIF and BMP files, turns them
upright as EXIF says, and decodes at most {most:,} pixels.
An image is {cropped}. The output
`errors` has the reason where a file could not be read. `serving_default` takes
RGB pixels in [0, 1] of the size above.

## Commands

The folder of this version is VERSION below, the folder that holds it is BASE.

    python -m tf_autoformer.predict --model=VERSION photo.jpg
    python -m tf_autoformer.serve --model_base=BASE
    docker run -p 8501:8501 -v BASE:/models/classifier \\
        -e MODEL_NAME=classifier tensorflow/serving
"""
