"""Whether XLA compiles the network, and where its programs are kept."""

import os
import pathlib

import tensorflow as tf

from tf_autoformer import files

# Softmax in one pass over the scores instead of three.
_XLA_FLAGS = {"--xla_gpu_enable_triton_softmax_fusion": "true"}
# Only programs for GPUs can be stored.
_STORED = "GPU,XLA_GPU_JIT"

_DECIDED = {"compiles": False}


def use(choice: str, cache: str = "", tf32: bool = True) -> None:
    """Decides how supernets of this process are computed.

    Call it before TensorFlow has looked for a GPU: it reads these settings
    only once.

    Args:
      choice: "on", "off", or "auto" for "on" with a GPU and else "off".
      cache: Folder to keep compiled programs in. Empty: they are not kept.
      tf32: Whether a GPU computes products of float32 in TF32.

    Raises:
      InputError: The folder cannot be written.
    """
    folder = pathlib.Path(cache).expanduser()
    if choice != "off":
        _set_default("XLA_FLAGS", _XLA_FLAGS)
        if cache:
            _set_default(
                "TF_XLA_FLAGS",
                {
                    "--tf_xla_persistent_cache_directory": str(folder),
                    "--tf_xla_persistent_cache_device_types": _STORED,
                },
            )
    gpus = tf.config.list_physical_devices("GPU")
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    compiles = choice == "on" or (choice == "auto" and bool(gpus))
    _DECIDED["compiles"] = compiles
    if compiles and gpus and cache:
        files.require_writable(folder)


def in_use() -> bool:
    """Whether XLA compiles what is not told otherwise."""
    return _DECIDED["compiles"]


def _set_default(variable: str, flags: dict[str, str]) -> None:
    """Adds flags to an environment variable, but for those it has."""
    words = os.environ.get(variable, "").split()
    given = {word.split("=")[0] for word in words}
    words += [f"{k}={v}" for k, v in flags.items() if k not in given]
    os.environ[variable] = " ".join(words)
