"""A folder of converted subnets, which can be copied to another machine.

    network.json            the network, and the images of a batch
    NAME.json               an architecture
    NAME.onnx               the subnet for ONNX Runtime
    NAME.tflite             the subnet for TFLite
    NAME.savedmodel/        the subnet for TensorFlow

The names are free: a file of an architecture and models with the same stem
belong together.
"""

import hashlib
import json
import os
import pathlib
from typing import Literal

from tf_autoformer import errors, files
from tf_autoformer.latency import network as network_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import parsing

Architecture = architecture_lib.Architecture
Runtime = Literal["onnx", "tflite", "tensorflow"]

SUFFIXES: dict[Runtime, str] = {
    "onnx": ".onnx",
    "tflite": ".tflite",
    "tensorflow": ".savedmodel",
}


class ModelFolder:
    """A folder of converted subnets. It owns the names of its files.

    Args:
      root: Path of the folder.

    Attributes:
      root: Path of the folder.
      network_file: JSON file of the network and the batch size.
    """

    def __init__(self, root: str | os.PathLike[str]):
        self.root = pathlib.Path(root)
        self.network_file = self.root / "network.json"

    def claim(self, network: network_lib.Network, batch_size: int) -> None:
        """Makes the folder, or checks that it is for the same.

        Raises:
          InputError: It has models of another network or batch size, or
            cannot be written.
        """
        if self.network_file.exists():
            found, size = self.read_network()
            with errors.about(self.network_file):
                found.require(network)
            if size != batch_size:
                raise errors.InputError(
                    f"batch_size is {batch_size}; the models in {self.root} "
                    f"take {size}, so use another folder"
                )
        else:
            files.require_writable(self.root)
            values = network.to_dict() | {"batch_size": batch_size}
            files.write_json(self.network_file, values)

    def read_network(self) -> tuple[network_lib.Network, int]:
        """The network, and the number of images of a batch.

        Raises:
          InputError: The file is missing or damaged.
        """
        values = files.read_json(self.network_file)
        with errors.about(self.network_file):
            values = dict(parsing.mapping("the content", values))
            size = parsing.integer("batch_size", values.pop("batch_size", None))
            return network_lib.Network.from_dict(values), size

    def path(
        self, architecture: Architecture, runtime: Runtime
    ) -> pathlib.Path:
        """Path of a converted subnet."""
        return self._named(architecture, SUFFIXES[runtime])

    def add(self, architecture: Architecture) -> None:
        """Writes an architecture, whose model is at its `path`."""
        path = self._named(architecture, ".json")
        files.write_json(path, architecture.to_dict())

    def _named(self, architecture: Architecture, suffix: str) -> pathlib.Path:
        text = json.dumps(architecture.to_dict(), sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self.root / f"{name}{suffix}"

    def models(self, runtime: Runtime) -> dict[Architecture, pathlib.Path]:
        """Each architecture that has a model for a runtime, and its path.

        Raises:
          InputError: There is none, or a file of an architecture is damaged.
        """
        found: dict[Architecture, pathlib.Path] = {}
        for path in sorted(self.root.glob(f"*{SUFFIXES[runtime]}")):
            beside = path.with_suffix(".json")
            if beside.exists():
                found[Architecture.load(beside)] = path
        if not found:
            raise errors.InputError(
                f"{self.root} holds no *{SUFFIXES[runtime]} with an "
                "architecture, *.json, beside it"
            )
        return found
