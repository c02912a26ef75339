"""AutoFormer: one-shot architecture search for vision transformers.

The names in `__all__` are the stable interface. Everything else may change. The
names are imported on first use, so that TensorFlow starts only where
it is needed:

- `ModelConfig`: fixed part of the network.
- `SearchSpace`, `SEARCH_SPACES`: choices of each dimension, and the paper's
  spaces by name.
- `Architecture`: one subnet's dimensions.
- `params`, `macs`: cost of an architecture.
- `Supernet`: weights of all subnets.
- `inherit`: standalone Keras model of a subnet, with the supernet's weights.
- `Workdir`: working folder of a trained supernet.
- `InputError`: mistake in an input. Its message names field, value and rule.
"""

import importlib
import os
from typing import Any

# Before TensorFlow is imported, which reads it once: else 2.15 prints lines of
# false alarm about CUDA, and a mistake's one clear line drowns in others.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_MODULES = {
    "Architecture": "space.architecture",
    "InputError": "errors",
    "ModelConfig": "space.model",
    "SEARCH_SPACES": "space.search_space",
    "SearchSpace": "space.search_space",
    "Supernet": "supernet.supernet",
    "Workdir": "experiment.workdir",
    "inherit": "supernet.subnet",
    "macs": "space.cost",
    "params": "space.cost",
}
__all__ = list(_MODULES)  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
