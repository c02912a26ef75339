"""Signatures from images to labels, of one subnet or of several."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.serving import image_bytes as image_bytes_lib


class Served(tf.Module):
    """Subnets that take images and return labels.

    `serving_default` takes `images`, float32 [batch, height, width, 3], RGB in
    [0, 1]. `serving_bytes` takes `image_bytes`, string [batch], files
    that `preprocessing.decode` takes. Both return `logits` and
    `probabilities`, float32 [batch, num_classes], and `classes`, string
    [batch], the likeliest labels. `serving_bytes` returns `errors` as well,
    string [batch], the reasons why files could not be read. Such a file has
    the class "", and 0 as logits and probabilities.

    They are those of the first subnet. Of several, each has the signatures
    `subnet_NUMBER` and `subnet_NUMBER_bytes`, from 1.

    Args:
      subnets: Function of each subnet from normalized images to logits.
      variables: Variables that the functions read.
      image_shape: Height, width and channels of the input.
      source: Data set that the subnets were trained on.

    Attributes:
      image_shape: Height, width and channels of the input.
    """

    def __init__(
        self,
        subnets: Sequence[Callable[[tf.Tensor], tf.Tensor]],
        variables: Sequence[tf.Variable],
        image_shape: Sequence[int],
        source: source_lib.Source,
    ):
        super().__init__()
        self._weights = list(variables)
        self._subnets = tuple(subnets)
        self._labels = list(source.labels)
        self._source = source
        self.image_shape = list(image_shape)
        self._decode = tf.function(self._decoded, autograph=False)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> function, for `tf.saved_model.save`."""
        image_bytes = tf.TensorSpec([None], tf.string, "image_bytes")
        result = {}
        for number, subnet in enumerate(self._subnets, 1):
            from_images, from_bytes = (
                tf.function(
                    lambda x, f=function, subnet=subnet: f(subnet, x),
                    autograph=False,
                ).get_concrete_function(x)
                for function, x in (
                    (self._classify, self.images),
                    (self._classify_bytes, image_bytes),
                )
            )
            if number == 1:
                result["serving_default"] = from_images
                result["serving_bytes"] = from_bytes
            if len(self._subnets) > 1:
                result[subnet_signature(number)] = from_images
                result[f"{subnet_signature(number)}_bytes"] = from_bytes
        return result

    @property
    def images(self) -> tf.TensorSpec:
        """Shape and dtype of the images."""
        return tf.TensorSpec([None, *self.image_shape], tf.float32, "images")

    def logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The logits and probabilities that the first subnet gives images."""
        return self._logits(self._subnets[0], images)

    def _logits(
        self, subnet: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        source = self._source
        logits = subnet(
            preprocessing.normalize(images, source.mean, source.std)
        )
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def _classify(
        self, subnet: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        answers = self._logits(subnet, images)
        labels = tf.constant(self._labels)
        likeliest = tf.argmax(answers["logits"], axis=-1)
        return answers | {"classes": tf.gather(labels, likeliest)}

    def _classify_bytes(
        self, subnet: Callable[[tf.Tensor], tf.Tensor], image_bytes: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        images, reasons = self._decode(image_bytes)
        is_read = reasons == ""
        answers = self._classify(subnet, images)
        return {
            "logits": tf.where(is_read[:, None], answers["logits"], 0.0),
            "probabilities": tf.where(
                is_read[:, None], answers["probabilities"], 0.0
            ),
            "classes": tf.where(is_read, answers["classes"], ""),
            "errors": reasons,
        }

    def _decoded(self, image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width, _ = self.image_shape
        return image_bytes_lib.decode(
            image_bytes, (height, width), self._source.crop
        )


def of_model(subnet: tf.keras.Model, source: source_lib.Source) -> Served:
    """A Keras model from normalized images to logits, to be served.

    Args:
      subnet: Model.
      source: Data set that it was trained on.
    """
    # Not the Keras model itself: every layer of it would be traced once more
    # and saved as an object of its own.
    return Served(
        [subnet.call], subnet.variables, subnet.input_shape[1:], source
    )


def subnet_signature(number: int) -> str:
    """The name of the signature of one of several subnets, from 1."""
    return f"subnet_{number}"
