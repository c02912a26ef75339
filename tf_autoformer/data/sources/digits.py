"""scikit-learn's bundled digits as a TensorFlow data set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn import datasets as sklearn_datasets
from sklearn import model_selection

# For each channel of the training images, whose pixels are in [0, 1].
MEAN = (0.305,) * 3
STD = (0.376,) * 3

_TEST_SHARE = 0.2
_VALIDATION_SHARE = 0.2
_FOLDS = 3


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 real handwritten digits of 8×8 pixels, ten classes.

    The splits are stratified and fixed. A fifth is the test split. A fifth of
    the rest is the validation split, held out for the search.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Handwritten digits of 43 people, from the UCI "
            "repository's test set, as bundled with scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(
                        names=[str(digit) for digit in range(10)]
                    ),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # The data come with scikit-learn.
        digits = sklearn_datasets.load_digits()
        # Intensities are whole numbers from 0 to 16.
        images = np.uint8(np.round(digits.images[..., None] * (255 / 16)))
        labels = digits.target

        rest, test = _parts(np.arange(len(labels)), labels, _TEST_SHARE)
        train, validation = self._divided(rest, labels)
        return {
            name: self._generate_examples(images, labels, indices)
            for name, indices in (
                ("train", train),
                ("validation", validation),
                ("test", test),
            )
        }

    def _divided(
        self, rest: np.ndarray, labels: np.ndarray
    ) -> list[np.ndarray]:
        """The training and the validation images among the rest."""
        return _parts(rest, labels, _VALIDATION_SHARE)

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in indices:
            yield (
                int(index),
                {"image": images[index], "label": int(labels[index])},
            )


class DigitsFolds(Digits):
    """The digits with another third for validation in each configuration.

    `digits_folds/1`, `/2` and `/3` have the same test split, that of `digits`.
    Their validation splits are stratified, and together are all other images.
    So an accuracy on all three rests on five times as many images as one on
    the validation split of `digits`.
    """

    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(
            name=str(fold), description=f"Fold {fold} of {_FOLDS}."
        )
        for fold in range(1, _FOLDS + 1)
    ]

    def _divided(
        self, rest: np.ndarray, labels: np.ndarray
    ) -> list[np.ndarray]:
        folds = model_selection.StratifiedKFold(
            _FOLDS, shuffle=True, random_state=0
        )
        parts = [*folds.split(rest, labels[rest])]
        return [rest[part] for part in parts[int(self.builder_config.name) - 1]]


def _parts(
    indices: np.ndarray, labels: np.ndarray, share: float
) -> list[np.ndarray]:
    """The indices in two stratified parts, of which the second is a share."""
    return model_selection.train_test_split(
        indices, test_size=share, random_state=0, stratify=labels[indices]
    )
