"""Elastic layers against stock Keras layers of the slice's size."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer.space import extents
from tf_autoformer.supernet import dense, elastic, embedding, norm

MAXIMUM = {extents.EMBED: 12, extents.HIDDEN: 20}
SIZES = {extents.EMBED: 7, extents.HIDDEN: 9}


def _build(kind, axes) -> elastic.ElasticLayer:
    layer = kind(axes, MAXIMUM)
    layer.build()
    for index, variable in enumerate(layer.variables):
        noise = tf.random.stateless_normal(variable.shape, [0, index])
        variable.assign_add(noise)
    return layer


def _random(*shape: int) -> tf.Tensor:
    return tf.random.stateless_normal(shape, [1, 2])


def _stock(layer: tf.keras.layers.Layer, inputs: tf.Tensor, *weights):
    layer.build(inputs.shape)
    layer.set_weights(weights)
    return layer(inputs)


class ElasticLayerTest(parameterized.TestCase):
    def test_dense(self):
        layer = _build(
            dense.ElasticDense,
            {"kernel": ("embed", "hidden"), "bias": ("hidden",)},
        )
        x = _random(2, 5, 7)
        expected = _stock(
            tf.keras.layers.Dense(9),
            x,
            layer.kernel.numpy()[:7, :9],
            layer.bias.numpy()[:9],
        )
        np.testing.assert_allclose(layer(x, SIZES), expected, atol=1e-5)

    def test_layer_norm(self):
        layer = _build(
            norm.ElasticLayerNorm, {"gamma": ("embed",), "beta": ("embed",)}
        )
        x = 3 + 2 * _random(2, 5, 7)
        expected = _stock(
            tf.keras.layers.LayerNormalization(epsilon=1e-5),
            x,
            layer.gamma.numpy()[:7],
            layer.beta.numpy()[:7],
        )
        np.testing.assert_allclose(layer(x, SIZES), expected, atol=1e-5)

    @parameterized.parameters(1, 2, 4)
    def test_patch_embedding(self, patch):
        layer = _build(
            embedding.ElasticPatchEmbedding,
            {"kernel": (patch, patch, 3, "embed"), "bias": ("embed",)},
        )
        x = _random(2, 8, 12, 3)
        expected = _stock(
            tf.keras.layers.Conv2D(7, patch, strides=patch),
            x,
            layer.kernel.numpy()[..., :7],
            layer.bias.numpy()[:7],
        )
        np.testing.assert_allclose(
            layer(x, SIZES), tf.reshape(expected, [2, -1, 7]), atol=1e-5
        )

    def test_class_token_comes_first(self):
        layer = _build(
            embedding.ElasticClassToken, {"embedding": (1, 1, "embed")}
        )
        x = _random(2, 5, 7)
        tokens = layer(x, SIZES).numpy()
        np.testing.assert_array_equal(tokens[:, 1:], x)
        for sample in tokens:
            np.testing.assert_array_equal(
                sample[0], layer.embedding.numpy()[0, 0, :7]
            )

    def test_position_is_added_to_every_token(self):
        layer = _build(
            embedding.ElasticPosition, {"embedding": (1, 5, "embed")}
        )
        x = _random(2, 5, 7)
        np.testing.assert_array_equal(
            layer(x, SIZES), x + layer.embedding.numpy()[:, :, :7]
        )

    def test_average_pooling_leaves_the_class_token_out(self):
        x = _random(2, 5, 7).numpy()
        np.testing.assert_allclose(
            embedding.pool(x, "average"), x[:, 1:].mean(axis=1), atol=1e-6
        )
        np.testing.assert_array_equal(embedding.pool(x, "cls"), x[:, 0])

    def test_config_makes_an_equal_layer(self):
        layer = _build(
            dense.ElasticDense,
            {"kernel": ("embed", "hidden"), "bias": ("hidden",)},
        )
        twin = dense.ElasticDense.from_config(layer.get_config())
        twin.build()
        twin.set_weights(layer.get_weights())
        x = _random(2, 5, 7)
        np.testing.assert_array_equal(twin(x, SIZES), layer(x, SIZES))

    def test_fixed_axes_keep_their_static_size_in_a_graph(self):
        layer = _build(
            dense.ElasticDense, {"kernel": ("embed", 10), "bias": (10,)}
        )

        @tf.function(autograph=False)
        def shape(embed):
            kernel = layer.slices({extents.EMBED: embed})["kernel"]
            self.assertEqual(kernel.shape.as_list(), [None, 10])
            return tf.shape(kernel)

        np.testing.assert_array_equal(shape(tf.constant(3)), [3, 10])


if __name__ == "__main__":
    absltest.main()
