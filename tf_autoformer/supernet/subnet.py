"""The standalone subnet: an ordinary functional Keras model."""

import dataclasses
import logging

import tensorflow as tf

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import extents
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import attention, elastic, embedding, norm
from tf_autoformer.supernet import supernet as supernet_lib

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class Pool(tf.keras.layers.Layer):
    """Pools the tokens. See `embedding.pool`.

    Args:
      pooling: "cls" or "average".
      **kwargs: Arguments of the Keras layer.
    """

    def __init__(self, pooling: str, **kwargs):
        super().__init__(**kwargs)
        self.pooling = pooling

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, 1 + patches, embed] -> [batch, embed]."""
        return embedding.pool(inputs, self.pooling)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"pooling": self.pooling}


@tf.autograph.experimental.do_not_convert  # It would find nothing to convert.
def build(
    model: model_lib.ModelConfig,
    architecture: Architecture,
    supernet_depth: int | None = None,
) -> tf.keras.Model:
    """A subnet of fixed sizes with fresh weights.

    Layers and weights have the names and shapes of `space.extents.layers`.

    Args:
      model: Fixed part of the network.
      architecture: Dimensions of the subnet.
      supernet_depth: Depth over which the drop-path rate grows. None: the
        architecture's own.

    Returns:
      Model from images, float32 [batch, height, width, channels], normalized,
      to logits [batch, classes].
    """
    keras = tf.keras.layers
    layers = extents.layers(model, extents.of(architecture))
    rates = model.drop_path_rates(supernet_depth or architecture.depth)

    def fixed(kind: type, name: str, **options) -> tf.keras.layers.Layer:
        layer = layers[name]
        shapes = {weight: layer.shape(weight) for weight in layer.axes}
        return kind(axes=shapes, stddev=model.init_stddev, name=name, **options)

    def initializer() -> tf.keras.initializers.Initializer:
        return elastic.initializer("kernel", model.init_stddev)

    def dense(name: str, activation=None, **options) -> tf.keras.layers.Layer:
        units = layers[name].shape("bias")[0]
        return keras.Dense(
            units,
            activation,
            kernel_initializer=initializer(),
            name=name,
            **options,
        )

    def layer_norm(name: str) -> tf.keras.layers.Layer:
        return keras.LayerNormalization(epsilon=norm.EPSILON, name=name)

    def add(x, residual, rate):
        # Dropout of a whole sample is drop path.
        drop = keras.Dropout(rate, noise_shape=(None, 1, 1))
        return keras.Add()([x, drop(residual)])

    shape = [*model.input_size, model.channels]
    images = tf.keras.Input(shape, name="images")
    x = keras.Conv2D(
        architecture.embed_dim,
        model.patch_size,
        strides=model.patch_size,
        kernel_initializer=initializer(),
        name="patch_embedding",
    )(images)
    x = keras.Reshape([model.num_tokens - 1, architecture.embed_dim])(x)
    x = fixed(embedding.ElasticClassToken, "class_token")(x)
    if model.has_absolute_position:
        x = fixed(embedding.ElasticPosition, "position")(x)
    for block in range(architecture.depth):
        attention_norm, self_attention, mlp_norm, expand, contract = (
            extents.block_layer(block, name)
            for name in extents.block_axes(model)
        )
        attend = fixed(
            attention.ElasticAttention, self_attention, grid=model.grid
        )
        x = add(x, attend(layer_norm(attention_norm)(x)), rates[block])
        hidden = dense(expand, "gelu")(layer_norm(mlp_norm)(x))
        x = add(x, dense(contract)(hidden), rates[block])
    x = Pool(model.pooling, name="pool")(layer_norm("norm")(x))
    head = dense("head", dtype="float32")  # As the supernet's head.
    return tf.keras.Model(images, head(x), name="subnet")


def inherit(
    supernet: supernet_lib.Supernet,
    architecture: Architecture,
    image_size: model_lib.ImageSize | None = None,
) -> tf.keras.Model:
    """A standalone subnet with the weights that the supernet holds for it.

    Args:
      supernet: Trained supernet.
      architecture: Architecture of the supernet's space.
      image_size: Input size in pixels. None: the supernet's. For another
        size the position embedding is interpolated.

    Raises:
      InputError: The architecture is outside the space, or the image size is
        no multiple of the patch size.
    """
    supernet.space.validate(architecture)
    rule = supernet.space.rule_for(architecture)
    if rule is not None:
        _LOGGER.info("%s", rule)
    model = supernet.model
    if image_size is not None:
        model = dataclasses.replace(model, image_size=image_size)
    subnet = build(model, architecture, supernet.max_depth)
    for name, weights in supernet.slices(extents.of(architecture)).items():
        layer = subnet.get_layer(name)
        if name == "position":
            weights["embedding"] = embedding.resize_position(
                weights["embedding"], supernet.model.grid, model.grid
            )
        for weight, inherited in weights.items():
            getattr(layer, weight).assign(inherited)
    return subnet
