r"""Compares the formats of an export: accuracy, size and latency.

  python -m benchmarks.formats --workdir=DIR --update=docs/deploy.md

A subnet is exported in each format and loaded by each runtime that reads it.
Each classifies the test split. Then all take turns, in an order that changes,
with batches of several sizes. Run nothing else on the machine at the same time.
"""

import dataclasses
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import comparison, table
from tf_autoformer import binary, rules
from tf_autoformer.data import pipeline
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.serving import formats, savedmodel
from tf_autoformer.space import architecture as architecture_lib

BATCH_SIZES = (1, 32)
_CALIBRATION = 200
# Function from images, float32 [batch, height, width, 3], to logits.
Run = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the benchmark.

    Attributes:
      workdir: Working folder of a supernet.
      architecture: Subnet to export. Default: the largest.
      data_dir: Folder of prepared data sets. Default: ~/tensorflow_datasets.
      threads: Number of threads of each runtime.
      rounds: Number of turns of each runtime.
      runs: Number of batches of a turn. Half as many come before, untimed.
      update: Markdown file whose table to replace.
    """

    workdir: pathlib.Path = rules.field(dataclasses.MISSING)
    architecture: architecture_lib.Architecture | None = None
    data_dir: str | None = None
    threads: int = rules.field(1, lower_bound=1)
    rounds: int = rules.field(10, lower_bound=1)
    runs: int = rules.field(10, lower_bound=1)
    update: pathlib.Path | None = None


def main(options: Options) -> None:
    """Measures, and prints the table."""
    if options.update:
        table.split(options.update)  # Fails before the long work.
    comparison.require_installed(
        ("onnxruntime", "tf2onnx", "openvino"),
        "-r requirements-dev.txt",
    )
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    workdir = workdir_lib.Workdir(options.workdir)
    trained = workdir.trained(tf.distribute.get_strategy(), options.data_dir)
    space = trained.supernet.space
    subnet = options.architecture or space.largest
    size = trained.supernet.model.input_size
    batches = list(pipeline.images(trained.dataset, "test", size).batch(32))
    calibration = [
        image.numpy()
        for image, _ in pipeline.images(trained.dataset, "train", size)
        .take(_CALIBRATION)
        .batch(1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        runs, sizes = _load(trained, subnet, calibration, root, options.threads)
        accuracies = {
            name: np.mean(
                np.concatenate(
                    [
                        np.argmax(run(images.numpy()), axis=1) == labels
                        for images, labels in batches
                    ]
                )
            )
            for name, run in runs.items()
        }
        pixels = np.concatenate([images.numpy() for images, _ in batches])
        seconds = {
            batch: _alternate(options, runs, pixels[:batch])
            for batch in BATCH_SIZES
        }
    heading = ["format", "runtime", "accuracy", "size"]
    heading += [f"batch {batch}" for batch in BATCH_SIZES]
    lines = [
        f"| {' | '.join(heading)} |",
        "|---|---|--:|--:|" + "--:|" * len(BATCH_SIZES),
    ]
    for name in runs:
        cells = [
            *name,
            f"{accuracies[name]:.2%}",
            f"{sizes[name] / 1e6:.2f} MB",
            *(
                f"{1000 * statistics.median(seconds[batch][name]):.3f} ms"
                for batch in BATCH_SIZES
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    command = table.command(
        "formats --workdir=DIR", options, ("threads", "rounds", "runs")
    )
    text = "\n".join([*lines, "", table.provenance(command)])
    if options.update:
        table.update(options.update, text)
    print(text)


def _load(
    trained: Any,
    subnet: architecture_lib.Architecture,
    calibration: list[np.ndarray],
    root: pathlib.Path,
    threads: int,
) -> tuple[dict[tuple[str, str], Run], dict[tuple[str, str], int]]:
    """What each runtime does, and the bytes of its files, by format."""
    runs: dict[tuple[str, str], Run] = {}
    sizes: dict[tuple[str, str], int] = {}

    def add(
        name: str, load: Mapping[str, Callable[..., Run]], **wanted: Any
    ) -> None:
        folder = root / name
        if wanted:
            savedmodel.export(
                trained.supernet,
                subnet,
                trained.source,
                folder,
                formats=formats.Formats(images=calibration, **wanted),
            )
        else:
            space = trained.supernet.space
            savedmodel.export_elastic(
                trained.supernet,
                list(dict.fromkeys((subnet, space.smallest))),
                trained.source,
                folder,
            )
        files = [
            path
            for path in folder.rglob("*")
            if path.is_file() and path.parent.name != "assets.extra"
        ]
        for runtime, function in load.items():
            runs[name, runtime] = function(folder, threads)
            sizes[name, runtime] = sum(path.stat().st_size for path in files)

    add("SavedModel", {"TensorFlow": _tensorflow}, names=("savedmodel",))
    add("SavedModel of two subnets", {"TensorFlow": _tensorflow})
    add(
        "ONNX",
        {"ONNX Runtime": _onnxruntime, "OpenVINO": _openvino},
        names=("onnx",),
    )
    for quantization in ("none", "float16", "dynamic", "int8"):
        add(
            f"TFLite, quantization {quantization}",
            {"TFLite": _tflite},
            names=("tflite",),
            quantization=quantization,
        )
    return runs, sizes


def _alternate(
    options: Options, runs: Mapping[tuple[str, str], Run], images: np.ndarray
) -> dict[tuple[str, str], list[float]]:
    """Seconds for a batch in each turn of each runtime."""
    referee = comparison.Referee(options.rounds)
    referee.begin(f"batches of {len(images)}")
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in runs}
    order = list(runs)
    for _ in range(options.rounds):
        for name in order:
            for _ in range(options.runs // 2 + 1):
                runs[name](images)
            start = time.perf_counter()
            for _ in range(options.runs):
                runs[name](images)
            spent = time.perf_counter() - start
            seconds[name].append(spent / options.runs)
        order.reverse()
        referee.end_round()
    return seconds


def _tensorflow(folder: pathlib.Path, threads: int) -> Run:
    del threads  # They are set for the whole process.
    loaded = tf.saved_model.load(folder)
    return lambda images: loaded.signatures["serving_default"](
        images=tf.constant(images)
    )["logits"].numpy()


def _onnxruntime(folder: pathlib.Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(folder / formats.ONNX_FILE), options
    )
    return lambda images: session.run(["logits"], {"images": images})[0]


def _openvino(folder: pathlib.Path, threads: int) -> Run:
    import openvino

    model = openvino.Core().compile_model(
        str(folder / formats.ONNX_FILE),
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"},
    )
    return lambda images: model({"images": images})["logits"]


def _tflite(folder: pathlib.Path, threads: int) -> Run:
    interpreter = tf.lite.Interpreter(
        model_path=str(folder / formats.TFLITE_FILE), num_threads=threads
    )
    index = interpreter.get_input_details()[0]["index"]
    known: list[Any] = []

    def run(images: np.ndarray) -> np.ndarray:
        if known != [images.shape]:
            interpreter.resize_tensor_input(index, images.shape)
            known[:] = [images.shape]
        runner = interpreter.get_signature_runner("serving_default")
        return runner(images=images)["logits"]

    return run


if __name__ == "__main__":
    binary.run(main, Options)
