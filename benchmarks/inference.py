"""Exported subnets in TensorFlow and in ONNX Runtime, a process for each."""

import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable

import numpy as np

from benchmarks import comparison, table, worker

BATCH_SIZES = (1, 32)


def measure(
    subject: comparison.Subject,
    referee: comparison.Referee,
    report: Callable[[table.Row], None],
) -> None:
    """Measures each batch size, with the published subnet of the space.

    A turn classifies the same number of images with each batch size.

    Args:
      subject: Supernet whose space is taken.
      referee: Referee of the turns.
      report: Function that takes each row as soon as it is measured.
    """

    def start(role: str) -> worker.Worker:
        return worker.Worker(
            "benchmarks.inference", role=role, folder=folder, seed=subject.seed
        )

    referee.begin(f"inference, {subject}")
    with tempfile.TemporaryDirectory() as folder:
        with start("export") as exporter:
            exporter.ask("export", model=subject.model)
            exporter.ask("convert")
        with start("tensorflow") as ours, start("onnxruntime") as onnx:
            for size in BATCH_SIZES:
                count = subject.steps * max(BATCH_SIZES) // size
                request = {"batch_size": size, "count": count}
                requests = [request] * subject.rounds
                times = referee.alternate(
                    "classify", [ours, onnx], [requests] * 2
                )
                mine, theirs = map(statistics.median, times)
                ratio = theirs / mine
                target = table.Target("≥ 1×", ratio >= 1)
                name = f"inference, batch {size}"
                report(table.timed(name, subject, times, ratio, [target]))


def export(folder: pathlib.Path, model: str) -> None:
    """Exports a space's published subnet, with random weights."""
    from tf_autoformer.data.sources import datasets
    from tf_autoformer.serving import savedmodel
    from tf_autoformer.space import published, search_space
    from tf_autoformer.supernet import supernet as supernet_lib

    space = search_space.SEARCH_SPACES[model]
    supernet = supernet_lib.Supernet(comparison.NETWORK, space)
    (name,) = space.published
    savedmodel.export(
        supernet,
        published.load(name),
        datasets.source("imagenet2012"),
        folder / "saved_model",
    )


def _convert(folder: pathlib.Path) -> None:
    """Converts the export for ONNX Runtime."""
    conversion = subprocess.run(
        [
            *(sys.executable, "-m", "tf2onnx.convert"),
            *("--saved-model", str(folder / "saved_model")),
            *("--signature_def", "serving_default"),
            *("--output", str(folder / "subnet.onnx")),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if conversion.returncode:
        sys.exit(conversion.stderr)


def load(folder: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """The exported SavedModel, as any client runs it."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "saved_model"))

    def classify(images: np.ndarray) -> np.ndarray:
        # Through `loaded`, which keeps the variables alive.
        signature = loaded.signatures["serving_default"]
        return signature(images=tf.constant(images))["logits"].numpy()

    return classify


def _onnx_runtime(folder: pathlib.Path) -> Callable[[np.ndarray], list]:
    """The converted model with the default session options."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "subnet.onnx"))
    return lambda images: session.run(None, {"images": images})


def main() -> None:
    """Serves the cases of one role to the parent process."""
    settings = worker.settings()
    folder = pathlib.Path(settings["folder"])
    if settings["role"] == "export":
        worker.serve(
            {
                "export": lambda model: export(folder, model),
                "convert": lambda: _convert(folder),
            }
        )
        return
    loaders = {"tensorflow": load, "onnxruntime": _onnx_runtime}
    run = loaders[settings["role"]](folder)
    rng = np.random.default_rng(settings["seed"])

    def classify(batch_size: int, count: int) -> list[float]:
        shape = [batch_size, *comparison.NETWORK.input_size, 3]
        images = rng.random(shape, np.float32)
        run(images)
        return worker.time_each(run, [images] * count)

    worker.serve({"classify": classify})


if __name__ == "__main__":
    main()
