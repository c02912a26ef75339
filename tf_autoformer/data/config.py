"""The recipe of augmentation."""

import dataclasses
import math

from tf_autoformer import errors


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """How training images are changed (DeiT's recipe, which the paper takes).

    Attributes:
      crop_area: the smallest share of an image's area that a random crop
        keeps; 0 for no random crop but the one of the evaluation.
      flip: mirror half of the images.
      geometric_jitter: rotate, shift and zoom a little, for tiny images.
      randaugment: operations of RandAugment on each image; 0 for none.
      randaugment_magnitude: of RandAugment's operations, 0 to 10.
      randaugment_stddev: of the normal noise on the magnitude.
      color_jitter: by how much brightness, contrast and saturation vary; only
        without RandAugment, as in timm.
      random_erasing: share of images of which a box is replaced by noise.
      mixup: alpha of the Beta distribution of mixup; 0 for none.
      cutmix: alpha of the Beta distribution of cutmix; 0 for none.
      cutmix_switch: share of batches with cutmix where both are on.
      repeated_augmentation: how often an image is in a batch, each time
        augmented anew; as often fewer images make an epoch.
    """

    crop_area: float = 0.08
    flip: bool = True
    geometric_jitter: bool = False
    randaugment: int = 2
    randaugment_magnitude: float = 9
    randaugment_stddev: float = 0.5
    color_jitter: float = 0.4
    random_erasing: float = 0.25
    mixup: float = 0.8
    cutmix: float = 1.0
    cutmix_switch: float = 0.5
    repeated_augmentation: int = 3

    def __post_init__(self) -> None:
        limits = {
            "crop_area": (0, 1),
            "randaugment": (0, 100),
            "randaugment_magnitude": (0, 10),
            "randaugment_stddev": (0, 10),
            "color_jitter": (0, 1),
            "random_erasing": (0, 1),
            "mixup": (0, math.inf),
            "cutmix": (0, math.inf),
            "cutmix_switch": (0, 1),
            "repeated_augmentation": (1, 100),
        }
        for field, (low, high) in limits.items():
            value = getattr(self, field)
            if not low <= value <= high or math.isinf(value):
                rule = f"from {low} to {high}"
                if high == math.inf:
                    rule = f"{low} or more"
                raise errors.InputError(
                    f"{field} is {value}; it must be {rule}"
                )

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
