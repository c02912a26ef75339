"""Several subnets that share one copy of the weights, to serve by load."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import embedding, parts, program
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture

_STEM, _HEAD, _HALVES = 0, 1, 2  # Numbers of parts. See `parts.grouped`.


class ElasticSubnets(tf.Module):
    """Subnets of a supernet, each a prefix of the same variables.

    A variable is as large as the largest prefix of it that a subnet has. Stem,
    attention, MLP and head are a function each, which all blocks of all subnets
    share. So a further subnet adds next to nothing to an export.

    Args:
      supernet: Trained supernet.
      architectures: Architectures of the supernet's space.
      image_size: Input size in pixels. None: the supernet's. For another size
        the position embedding is interpolated.

    Attributes:
      image_shape: Height, width and channels of the input.

    Raises:
      InputError: An architecture is outside the space, or the image size is no
        multiple of the patch size.
    """

    def __init__(
        self,
        supernet: supernet_lib.Supernet,
        architectures: Sequence[Architecture],
        image_size: model_lib.ImageSize | None = None,
    ):
        super().__init__()
        for each in architectures:
            supernet.space.validate(each)
        model = supernet.model
        if image_size is not None:
            model = dataclasses.replace(model, image_size=image_size)
        self.image_shape = [*model.input_size, model.channels]
        variables = _largest(supernet, model, architectures)
        self._saved = tf.nest.flatten(variables)
        # As a method, because TensorFlow wraps dictionaries in an attribute.
        self._variables = variables.__getitem__
        functions = supernet
        if model != supernet.model or supernet.compiled:
            functions = supernet_lib.Supernet(
                model, supernet.space, jit_compile=False
            )
        # The method alone: the supernet's own variables are not to be saved.
        self._forward_part = functions.forward_part
        self._sizes = functools.partial(extents.sizes, model)
        size = tf.TensorSpec([], tf.int32)
        images = tf.TensorSpec([None, *self.image_shape])
        tokens = tf.TensorSpec([None, model.num_tokens, None])
        self._programs = [
            program.program(
                functools.partial(self._forward, number),
                input_signature=[
                    tf.nest.map_structure(
                        lambda _: tf.TensorSpec([], tf.resource),
                        self._variables(number),
                    ),
                    *(size, size),
                    tokens if number else images,
                ],
            )
            for number in range(_HALVES + 2)
        ]

    def logits(
        self, architecture: Architecture
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """Function from normalized images to the logits of a subnet.

        Args:
          architecture: One of the architectures that the module was made of.
        """
        subnet = extents.of(architecture)
        blocks = zip(subnet.num_heads, subnet.hidden_dim, strict=True)
        steps = [
            (_STEM, 0),
            *enumerate((size for block in blocks for size in block), _HALVES),
            (_HEAD, 0),
        ]

        def forward(x: tf.Tensor) -> tf.Tensor:
            for number, size in steps:
                kind = number
                if number >= _HALVES:
                    kind = _HALVES + number % 2
                handles = tf.nest.map_structure(
                    lambda variable: variable.handle, self._variables(number)
                )
                x = self._programs[kind](handles, subnet.embed_dim, size, x)
            return x

        return forward

    def _forward(
        self,
        number: int,
        handles: dict[str, dict[str, tf.Tensor]],
        embed_dim: tf.Tensor,
        size: tf.Tensor,
        x: tf.Tensor,
    ) -> tf.Tensor:
        """The output of a part."""
        sizes = self._sizes(embed_dim, size, size)
        (output,) = self._forward_part(number, [x], handles, sizes)
        return output


def _largest(
    supernet: supernet_lib.Supernet,
    model: model_lib.ModelConfig,
    architectures: Sequence[Architecture],
) -> list[dict[str, dict[str, tf.Variable]]]:
    """The largest prefix of each weight, by part. See `parts.grouped`."""
    shapes: dict[str, dict[str, np.ndarray]] = {}
    for each in architectures:
        layers = extents.layers(supernet.model, extents.of(each))
        for name, layer in layers.items():
            known = shapes.setdefault(name, {})
            for weight in layer.axes:
                shape = layer.shape(weight)
                known[weight] = np.maximum(known.get(weight, shape), shape)
    owners = supernet.elastic_layers()
    result: dict[str, dict[str, tf.Variable]] = {}
    for name, weights in shapes.items():
        result[name] = {}
        for weight, shape in weights.items():
            variable = getattr(owners[name], weight)
            value = variable[tuple(slice(size) for size in shape)]
            if name == "position":
                value = embedding.resize_position(
                    value, supernet.model.grid, model.grid
                )
            result[name][weight] = tf.Variable(value, trainable=False)
    return parts.grouped(supernet.model, result)
