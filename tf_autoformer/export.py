r"""Exports any architecture of a trained supernet, for several runtimes.

  python -m tf_autoformer.export --workdir=DIR --architecture=FILE.json \
      --export_dir=OUT --format=savedmodel,onnx

With --architectures several subnets share one SavedModel and its weights.
"""

import dataclasses
import pathlib
from typing import Any, Literal

from tf_autoformer import binary, errors, rules, shared_options
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib

_FORMATS = ("savedmodel", "tflite", "onnx")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(shared_options.Folders):
    """Flags of `export`.

    Attributes:
      architecture: Subnet to export.
      architectures: JSON list of subnets to export together, such as the
        front.json of a search. Each has a signature of its own.
      export_dir: Folder to make for the files.
      image_size: Input size in pixels: 224, or height and width, as 224x320.
        Default: the supernet's. For another size the position embedding is
        interpolated.
      format: Files to make: any of savedmodel, tflite and onnx.
      quantization: Precision of the TFLite model. "none": float32. "float16":
        weights in float16. "dynamic": weights in int8, and activations where a
        product is faster with them. "int8": weights and activations in int8.
      calibration_images: Number of training images that "int8" takes the ranges
        of activations from.
    """

    architecture: architecture_lib.Architecture | None = None
    architectures: pathlib.Path | None = None
    export_dir: pathlib.Path = rules.field(
        dataclasses.MISSING, rules.LITERAL_PATH
    )
    image_size: model_lib.ImageSize | None = None
    format: tuple[str, ...] = ("savedmodel",)
    quantization: Literal["none", "float16", "dynamic", "int8"] = "none"
    calibration_images: int = rules.field(200, rules.at_least(1))

    def __post_init__(self) -> None:
        rules.check(self)
        unknown = set(self.format) - {*_FORMATS}
        if unknown or not self.format:
            raise errors.InputError(
                f"format is {','.join(self.format)!r}; it must be one or more "
                f"of {', '.join(_FORMATS)}"
            )
        if self.architectures is not None:
            if self.architecture is not None:
                raise errors.InputError(
                    "architecture and architectures are given; only one of "
                    "them can be"
                )
            if self.format != ("savedmodel",):
                raise errors.InputError(
                    f"format is {','.join(self.format)!r}; it must be "
                    "savedmodel with architectures, as other formats hold one "
                    "subnet"
                )
        if self.quantization != "none" and "tflite" not in self.format:
            raise errors.InputError(
                f"quantization is {self.quantization!r}; it must be none "
                "without the format tflite"
            )


def main(options: Options) -> None:
    """Exports with inherited weights."""
    workdir = workdir_lib.Workdir(options.workdir)
    experiment = workdir.experiment
    if options.architectures is None:
        subnets = [experiment.subnet(options.architecture)]
    else:
        subnets = [
            experiment.subnet(each)
            for each in architecture_lib.load_all(options.architectures)
        ]
    # Late, so that flags are read and explained without TensorFlow.
    import tensorflow as tf

    from tf_autoformer.serving import formats, model_card, savedmodel

    formats.require(options.format)
    savedmodel.require_free(options.export_dir)
    trained = workdir.trained(tf.distribute.get_strategy(), options.data_dir)
    accuracy = None
    if options.image_size is None and options.quantization == "none":
        accuracy = _accuracy(workdir, subnets[0], trained.step)
    origin = model_card.Origin(experiment.dataset, accuracy)
    where = trained.source, options.export_dir, options.image_size, origin
    if options.architectures is not None:
        savedmodel.export_elastic(trained.supernet, subnets, *where)
        return
    images = _calibration(options, trained)
    wanted = formats.Formats(options.format, options.quantization, images)
    savedmodel.export(trained.supernet, *subnets, *where, wanted)


def _accuracy(
    workdir: workdir_lib.Workdir,
    subnet: architecture_lib.Architecture,
    step: int,
) -> float | None:
    """The validation accuracy that was measured before, for the card."""
    accuracy = workdir.validation_accuracy
    if accuracy is not None:
        return accuracy
    from tf_autoformer.evolution import search_config

    return search_config.known_accuracy(workdir, subnet, step)


def _calibration(options: Options, trained: Any) -> list[Any]:
    """Images that "int8" takes the ranges of activations from.

    Returns:
      Images float32 [1, height, width, 3] in [0, 1]. None if none are needed.
    """
    if options.quantization != "int8":
        return []
    from tf_autoformer.data import pipeline

    model = trained.supernet.model
    if options.image_size is not None:
        model = dataclasses.replace(model, image_size=options.image_size)
    images = pipeline.images(trained.dataset, "train", model.input_size)
    batches = images.take(options.calibration_images).batch(1)
    return [image.numpy() for image, _ in trained.dataset.readable(batches)]


if __name__ == "__main__":
    binary.run(main, Options)
