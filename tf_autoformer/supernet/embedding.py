"""Elastic embeddings of patches, class token and position. Token pooling."""

import numpy as np
import tensorflow as tf

from tf_autoformer.supernet import dense, elastic


class ElasticPatchEmbedding(elastic.ElasticLayer):
    """A convolution whose stride is its kernel, with a prefix of filters.

    Weights: `kernel` [patch, patch, channels, embed], `bias` [embed].
    """

    def forward(self, inputs: tf.Tensor, weights: elastic.Weights) -> tf.Tensor:
        """[batch, height, width, channels] -> [batch, patches, embed]."""
        kernel = weights["kernel"]
        inputs = tf.cast(inputs, kernel.dtype)
        patch, channels = kernel.shape[1:3]
        rows, columns = (size // patch for size in inputs.shape[1:3])
        # A product of flat patches keeps the static shapes that a convolution
        # with an elastic number of filters loses.
        x = tf.reshape(inputs, [-1, rows, patch, columns, patch, channels])
        x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
        width = patch * patch * channels
        x = tf.reshape(x, [-1, rows * columns, width])
        kernel = tf.reshape(kernel, [width, tf.shape(kernel)[3]])
        x = dense.dense(x, kernel, weights["bias"])
        return tf.cast(x, tf.float32)


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


def resize_position(
    embedding: tf.Tensor, old: tuple[int, int], new: tuple[int, int]
) -> tf.Tensor:
    """The position embedding of another grid, interpolated as in DeiT.

    Patches are interpolated bicubically. The class token's entry stays.

    Args:
      embedding: [1, 1 + old patches, embed].
      old: Rows and columns of patches in `embedding`.
      new: Rows and columns of patches in the result.

    Returns:
      Position embedding, [1, 1 + new patches, embed].
    """
    if old == new:
        return embedding
    rows, columns = old
    token, patches = tf.split(embedding, [1, rows * columns], axis=1)
    patches = tf.reshape(patches, [rows, columns, -1])
    patches = tf.einsum(
        "ri,cj,ije->rce",
        _bicubic(rows, new[0]),
        _bicubic(columns, new[1]),
        patches,
    )  # [new rows, new columns, embed]
    patches = tf.reshape(patches, [1, new[0] * new[1], -1])
    return tf.concat([token, patches], axis=1)


# Of the cubic convolution kernel, as PyTorch has it; tf.image's is -0.5.
_SHARPNESS = -0.75


def _bicubic(old: int, new: int) -> np.ndarray:
    """The weights of the old samples of an axis in each new sample.

    Cubic convolution without antialiasing (Keys 1981, equation 4). The samples'
    centres are at half pixels. Beyond the ends the outermost sample repeats.

    Returns:
      Weights, float32 [new, old]. Each row sums to 1.
    """
    center = (np.arange(new) + 0.5) * old / new - 0.5
    nearest = np.floor(center).astype(int)
    result = np.zeros([new, old])
    for neighbour in range(-1, 3):
        index = nearest + neighbour
        distance = np.abs(center - index)
        near = (
            (_SHARPNESS + 2) * distance**3 - (_SHARPNESS + 3) * distance**2 + 1
        )
        far = _SHARPNESS * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        weight = np.where(distance <= 1, near, far)
        result[np.arange(new), np.clip(index, 0, old - 1)] += weight
    return result.astype(np.float32)


def pool(tokens: tf.Tensor, pooling: str) -> tf.Tensor:
    """The input of the classification head (paper, supplementary material).

    Args:
      tokens: [batch, 1 + patches, embed].
      pooling: "cls" for the class token, "average" for the mean of the patch
        tokens.

    Returns:
      Input of the head, [batch, embed].
    """
    # tf.split: the gradient of a strided slice costs far more.
    token, patches = tf.split(tokens, [1, tokens.shape[1] - 1], axis=1)
    if pooling == "cls":
        return tf.squeeze(token, axis=1)
    return tf.reduce_mean(patches, axis=1)
