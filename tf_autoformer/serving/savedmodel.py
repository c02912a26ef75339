"""A subnet as a SavedModel that takes images and returns labels."""

import dataclasses
import logging
import os
import pathlib

import tensorflow as tf

from tf_autoformer import errors, files
from tf_autoformer.data import preprocessing
from tf_autoformer.data.sources import names
from tf_autoformer.data.sources import source as source_lib
from tf_autoformer.serving import warmup
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.supernet import supernet as supernet_lib

_LOGGER = logging.getLogger(__name__)


class ServedSubnet(tf.Module):
    """The two signatures around a subnet.

    `serving_default` takes `images`, float32 [batch, height, width, 3], RGB in
    [0, 1]. `serving_bytes` takes `image_bytes`, string [batch], files
    that `preprocessing.decode` takes. Both return `logits` and
    `probabilities`, float32 [batch, num_classes], and `classes`, string
    [batch], the likeliest labels.

    Args:
      subnet: Model from normalized images to logits.
      source: Data set that the subnet was trained on.

    Attributes:
      image_shape: Height, width and channels of the input.
    """

    def __init__(
        self,
        subnet: tf.keras.Model,
        source: source_lib.Source,
    ):
        super().__init__()
        # Not the Keras model: every layer of it would be traced once more and
        # saved as an object of its own.
        self._weights = subnet.variables
        self._logits = subnet.call
        self._labels = list(source.labels)
        self._source = source
        self.image_shape = list(subnet.input_shape[1:])

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Name -> function, for `tf.saved_model.save`."""
        images = tf.TensorSpec([None, *self.image_shape], tf.float32, "images")
        image_bytes = tf.TensorSpec([None], tf.string, "image_bytes")
        return {
            "serving_default": tf.function(
                self._classify, autograph=False
            ).get_concrete_function(images),
            "serving_bytes": tf.function(
                self._classify_bytes, autograph=False
            ).get_concrete_function(image_bytes),
        }

    def _classify(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        source = self._source
        logits = self._logits(
            preprocessing.normalize(images, source.mean, source.std)
        )
        labels = tf.constant(self._labels)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "classes": tf.gather(labels, tf.argmax(logits, axis=-1)),
        }

    def _classify_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tuple(self.image_shape[:2])

        def decode(encoded: tf.Tensor) -> tf.Tensor:
            return preprocessing.to_rgb(
                preprocessing.decode(encoded), size, self._source.crop
            )

        images = tf.map_fn(
            decode,
            image_bytes,
            fn_output_signature=tf.TensorSpec(self.image_shape, tf.float32),
        )
        return self._classify(images)


def export(
    supernet: supernet_lib.Supernet,
    architecture: architecture_lib.Architecture,
    source: source_lib.Source,
    folder: str | os.PathLike[str],
    image_size: model_lib.ImageSize | None = None,
) -> None:
    """Writes a subnet with inherited weights, as a whole folder or not at all.

    Under `assets.extra/` the folder also holds the architecture, the fixed part
    of the network with its data, and the names of the classes as JSON, and the
    warm-up requests of TF Serving.

    Args:
      supernet: Supernet whose weights the subnet inherits.
      architecture: Architecture of the supernet's space.
      source: Classes and pixels that the supernet knows.
      folder: Folder to make. TF Serving takes its name as the version number.
      image_size: Input size in pixels. See `subnet.inherit`.

    Raises:
      InputError: The architecture is outside the space, the image size is no
        multiple of the patch size, or the folder exists or cannot be written.
    """
    served = ServedSubnet(
        subnet_lib.inherit(supernet, architecture, image_size),
        source,
    )
    model = supernet.model
    if image_size is not None:
        model = dataclasses.replace(model, image_size=image_size)
    with files.new_folder(folder) as partial:
        try:
            tf.saved_model.save(
                served, str(partial), signatures=served.signatures()
            )
            extra = partial / "assets.extra"
            files.write_json(
                extra / "architecture.json", architecture.to_dict()
            )
            files.write_json(partial / names.LABELS_FILE, source.labels)
            files.write_json(
                partial / names.NETWORK_FILE,
                {
                    "model": dataclasses.asdict(model),
                    "source": dataclasses.asdict(source),
                },
            )
            warmup.write(extra, served.image_shape)
        except tf.errors.OpError as error:
            raise errors.InputError(
                f"cannot write to {folder}: {errors.reason(error)}"
            ) from error
    _LOGGER.info("exported to %s", folder)


def exported_architecture(
    folder: str | os.PathLike[str],
) -> architecture_lib.Architecture | None:
    """The architecture that `export` wrote into a folder. None if none."""
    path = pathlib.Path(folder) / "assets.extra" / "architecture.json"
    try:
        return architecture_lib.Architecture.load(path)
    except errors.InputError:
        return None


def require_free(
    folder: str | os.PathLike[str],
    expected: architecture_lib.Architecture | None = None,
) -> None:
    """Fails before long work whose export would fail.

    Args:
      folder: Folder to be made.
      expected: Architecture that the folder may hold already. None: nothing.

    Raises:
      InputError: The folder exists and holds something else.
    """
    if files.is_new(folder):
        return
    found = exported_architecture(folder)
    if found is None or found != expected:
        raise errors.InputError(
            f"{folder} exists already and is not replaced; choose another "
            "version or folder"
        )
