"""The recipe of augmentation."""

import dataclasses

from tf_autoformer import rules

# A draw of a smaller alpha overflows float32 on its way.
_DRAWN = rules.Rule(
    "0, or 1e-30 or more", lambda alpha: alpha == 0 or alpha >= 1e-30
)


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """How training images are changed (DeiT's recipe, which the paper takes).

    Attributes:
      crop_area: Smallest share of an image's area that a random crop keeps.
        0: the central crop of the evaluation.
      flip: Whether to mirror half of the images.
      geometric_jitter: Whether to rotate, shift and zoom a little. Meant for
        tiny images.
      randaugment: Number of RandAugment operations on each image.
      randaugment_magnitude: Mean magnitude of RandAugment's operations, 0 to
        10.
      randaugment_stddev: Standard deviation of the magnitude.
      color_jitter: Strength of the random changes of brightness, contrast and
        saturation. Used only without RandAugment, as in timm.
      random_erasing: Share of images in which a box is replaced by noise.
      mixup: Alpha of the Beta distribution of mixup. 0: no mixup.
      cutmix: Alpha of the Beta distribution of cutmix. 0: no cutmix.
      cutmix_switch: Share of batches with cutmix instead of mixup. Used only
        if both are on.
      repeated_augmentation: Number of times that an image is in a batch, each
        time with another augmentation. An epoch has fewer images by the same
        factor.
    """

    crop_area: float = rules.field(0.08, rules.between(0, 1))
    flip: bool = True
    geometric_jitter: bool = False
    randaugment: int = rules.field(2, rules.between(0, 100))
    randaugment_magnitude: float = rules.field(9.0, rules.between(0, 10))
    randaugment_stddev: float = rules.field(0.5, rules.between(0, 10))
    color_jitter: float = rules.field(0.4, rules.between(0, 1))
    random_erasing: float = rules.field(0.25, rules.between(0, 1))
    mixup: float = rules.field(0.8, rules.NOT_NEGATIVE, _DRAWN)
    cutmix: float = rules.field(1.0, rules.NOT_NEGATIVE, _DRAWN)
    cutmix_switch: float = rules.field(0.5, rules.between(0, 1))
    repeated_augmentation: int = rules.field(3, rules.between(1, 100))

    def __post_init__(self) -> None:
        rules.check(self)

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed."""
        return bool(self.mixup or self.cutmix)


NONE = AugmentationConfig(
    crop_area=0,
    flip=False,
    randaugment=0,
    color_jitter=0,
    random_erasing=0,
    mixup=0,
    cutmix=0,
    repeated_augmentation=1,
)
