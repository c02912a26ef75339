"""ONNX models of subnets, put together from parts.

tf2onnx takes half a minute for a subnet of 14 blocks. All subnets of a space
have the same few parts in another order: stem, attention, MLP and head, each
in a few sizes. So each part is converted once, and a model is a chain of them.
Equal parts of a model have equal random weights, which changes no latency.
"""

import functools
from collections.abc import Iterable

import tensorflow as tf

from tf_autoformer.serving import onnx_model
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import subnet as subnet_lib

Architecture = architecture_lib.Architecture

_IMAGES, _LOGITS = "images", "logits"


class Parts:
    """The parts of the subnets of a network, converted when first needed.

    Args:
      model: Fixed part of the network.
      batch_size: Number of images that a model takes.
    """

    def __init__(self, model: model_lib.ModelConfig, batch_size: int):
        self._model = model
        self._batch_size = batch_size
        self._part = functools.cache(self._convert)

    def chain(self, architecture: Architecture) -> bytes:
        """The ONNX model of an architecture."""
        embed_dim = architecture.embed_dim
        # What a part does not depend on is 1, so that it is converted once.
        parts = [self._part("stem", embed_dim, 1, 1.0)]
        for heads, ratio in zip(
            architecture.num_heads, architecture.mlp_ratio, strict=True
        ):
            parts.append(self._part("attention", embed_dim, heads, 1.0))
            parts.append(self._part("mlp", embed_dim, 1, ratio))
        parts.append(self._part("head", embed_dim, 1, 1.0))
        return chained(parts).SerializeToString()

    def _convert(
        self, name: str, embed_dim: int, heads: int, ratio: float
    ) -> onnx_model.ModelProto:
        """A part of a subnet of one block."""
        subnet = subnet_lib.build(
            self._model, Architecture(embed_dim, 1, (heads,), (ratio,))
        )
        part = split(subnet)[name]
        size = [self._batch_size, *part.input_shape[1:]]
        return convert(part, size)


def split(subnet: tf.keras.Model) -> dict[str, tf.keras.Model]:
    """The parts of a subnet of one block, by name, in their order."""
    attended, mixed = (
        layer.output
        for layer in subnet.layers
        if isinstance(layer, tf.keras.layers.Add)
    )
    # The block's first layer is where the stem ends.
    tokens = subnet.get_layer("block_0.attention_norm").input
    ends = {
        "stem": (subnet.input, tokens),
        "attention": (tokens, attended),
        "mlp": (attended, mixed),
        "head": (mixed, subnet.output),
    }
    return {name: tf.keras.Model(*between) for name, between in ends.items()}


def convert(
    model: tf.keras.Model, shape: Iterable[int]
) -> onnx_model.ModelProto:
    """A Keras model of one input and one output as an ONNX model.

    Args:
      model: Model to convert.
      shape: Shape of its input, with the batch.
    """
    images = tf.TensorSpec(shape, tf.float32, _IMAGES)
    return onnx_model.convert(model.call, images)


def chained(parts: Iterable[onnx_model.ModelProto]) -> onnx_model.ModelProto:
    """One model: the output of each part is the input of the next one."""
    result = onnx_model.ModelProto()
    tensor = ""  # The output of the parts so far.
    for number, part in enumerate(parts):
        graph = part.graph
        if not number:
            result.CopyFrom(part)
            for field in ("node", "initializer", "output"):
                result.graph.ClearField(field)
            tensor = graph.input[0].name
        names = {graph.input[0].name: tensor, "": ""}  # "": no input.

        def renamed(name: str, names=names, number=number) -> str:
            return names.get(name, f"{number}/{name}")

        for node in graph.node:
            copy = result.graph.node.add()
            copy.CopyFrom(node)
            copy.name = renamed(node.name)
            copy.input[:] = map(renamed, node.input)
            copy.output[:] = map(renamed, node.output)
        for weight in graph.initializer:
            copy = result.graph.initializer.add()
            copy.CopyFrom(weight)
            copy.name = renamed(weight.name)
        tensor = renamed(graph.output[0].name)
    output = result.graph.output.add()
    output.CopyFrom(graph.output[0])
    output.name = tensor
    return result
