"""The runtimes that subnets are deployed in, imported when they are used."""

import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_autoformer import errors
from tf_autoformer.latency import models

# Function that classifies a batch, and returns when it is done.
Run = Callable[[], object]


def load(runtime: models.Runtime, path: pathlib.Path, threads: int) -> Run:
    """Loads a converted subnet.

    Args:
      runtime: Runtime to run it in.
      path: Path of the model.
      threads: Number of threads that compute.

    Returns:
      Function that classifies a batch of random images.

    Raises:
      InputError: The runtime is not installed, or does not take the model.
    """
    module = importlib.import_module(require(runtime))
    try:
        return _LOADERS[runtime](module, os.fspath(path), threads)
    # Each runtime has exceptions of its own, without a common base.
    except Exception as error:
        raise errors.InputError(
            f"cannot run {path}: {errors.reason(error)}"
        ) from error


def require(runtime: models.Runtime) -> str:
    """Checks that a runtime is installed.

    Returns:
      Name of its module.

    Raises:
      InputError: It is not. The message says how to get it.
    """
    for name in _MODULES[runtime]:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            return name
    raise errors.InputError(
        f"runtime is {runtime!r}, which is not installed here; "
        f"pip install {_PACKAGES[runtime]} gets it"
    )


def version(runtime: models.Runtime) -> str:
    """Name and version of the package of a runtime. See `require`."""
    module = require(runtime).partition(".")[0]
    package = importlib.metadata.packages_distributions()[module][0]
    return f"{package} {importlib.metadata.version(package)}"


def machine() -> str:
    """The machine as far as a latency depends on it: processor and cores."""
    model = platform.processor()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Hardware"):
                model = value.strip()
                break
    except OSError:  # Not a Linux.
        pass
    cores = os.cpu_count()
    return f"{model or 'unknown'}, {platform.machine()}, {cores} cores"


def _images(shape: Any) -> np.ndarray:
    return np.random.default_rng(0).random(tuple(shape), np.float32)


def _onnx(onnxruntime: Any, path: str, threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    (image,) = session.get_inputs()
    feed = {image.name: _images(image.shape)}
    return lambda: session.run(None, feed)


def _tflite(module: Any, path: str, threads: int) -> Run:
    lite = getattr(module, "lite", module)  # TensorFlow has it inside.
    interpreter = lite.Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    interpreter.set_tensor(image["index"], _images(image["shape"]))
    return interpreter.invoke


def _tensorflow(tf: Any, path: str, threads: int) -> Run:
    use_threads(tf, threads)
    loaded = tf.saved_model.load(path)
    classify = loaded.signatures["serving_default"]
    _, inputs = classify.structured_input_signature
    ((name, spec),) = inputs.items()
    images = tf.constant(_images(spec.shape))

    def run() -> Any:
        # Through `loaded`, which keeps the variables alive.
        answer = loaded.signatures["serving_default"](**{name: images})
        return [each.numpy() for each in answer.values()]

    return run


def use_threads(tf: Any, threads: int) -> None:
    """Has TensorFlow compute on some threads. Only before it has begun."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")


_LOADERS: dict[models.Runtime, Callable[[Any, str, int], Run]] = {
    "onnx": _onnx,
    "tflite": _tflite,
    "tensorflow": _tensorflow,
}
# Modules of a runtime. The first that is installed is taken.
_MODULES: dict[models.Runtime, tuple[str, ...]] = {
    "onnx": ("onnxruntime",),
    "tflite": (
        "ai_edge_litert.interpreter",
        "tflite_runtime.interpreter",
        "tensorflow",
    ),
    "tensorflow": ("tensorflow",),
}
_PACKAGES: dict[models.Runtime, str] = {
    "onnx": "onnxruntime",
    "tflite": "ai-edge-litert",
    "tensorflow": "tensorflow",
}
