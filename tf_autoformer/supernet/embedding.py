"""Elastic embeddings of patches, class token and position; token pooling."""

import tensorflow as tf

from tf_autoformer.supernet import dense, elastic


class ElasticPatchEmbedding(elastic.ElasticLayer):
    """A convolution whose stride is its kernel, with a prefix of filters.

    Weights: `kernel` [patch, patch, channels, embed], `bias` [embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, height, width, channels] -> [batch, patches, embed]."""
        kernel = weights["kernel"]
        patch, channels = kernel.shape[1:3]
        rows, columns = (size // patch for size in inputs.shape[1:3])
        # A product of flat patches keeps the static shapes that a convolution
        # with an elastic number of filters loses.
        x = tf.reshape(inputs, [-1, rows, patch, columns, patch, channels])
        x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
        width = patch * patch * channels
        x = tf.reshape(x, [-1, rows * columns, width])
        kernel = tf.reshape(kernel, [width, tf.shape(kernel)[3]])
        return dense.dense(x, kernel, weights["bias"])


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class ElasticClassToken(elastic.ElasticLayer):
    """Prepends a prefix of the class token.

    Weights: `embedding` [1, 1, embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, patches, embed] -> [batch, 1 + patches, embed]."""
        batch, _, embed = tf.unstack(tf.shape(inputs))
        token = tf.broadcast_to(weights["embedding"], [batch, 1, embed])
        return tf.concat([token, inputs], axis=1)


@tf.keras.saving.register_keras_serializable("tf_autoformer")
class ElasticPosition(elastic.ElasticLayer):
    """Adds a prefix of the learned absolute position embedding.

    Weights: `embedding` [1, tokens, embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, tokens, embed] -> the same shape."""
        return inputs + weights["embedding"]


def pool(tokens: tf.Tensor, pooling: str) -> tf.Tensor:
    """What the classification head reads (paper, supplementary material).

    Args:
      tokens: [batch, 1 + patches, embed].
      pooling: "cls" for the class token, "average" for the mean of the
        others.

    Returns:
      [batch, embed].
    """
    # tf.split: the gradient of a strided slice costs far more.
    token, patches = tf.split(tokens, [1, tokens.shape[1] - 1], axis=1)
    if pooling == "cls":
        return tf.squeeze(token, axis=1)
    return tf.reduce_mean(patches, axis=1)
