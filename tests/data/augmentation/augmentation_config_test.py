"""The rules of the augmentation's recipe."""

import dataclasses
import math

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.data.augmentation import augmentation_config


class AugmentationConfigTest(parameterized.TestCase):
    @parameterized.parameters(
        ("crop_area", -0.1, "from 0 to 1"),
        ("crop_area", 1.1, "from 0 to 1"),
        ("randaugment", -1, "from 0 to 100"),
        ("randaugment", 101, "from 0 to 100"),
        ("randaugment_magnitude", 10.5, "from 0 to 10"),
        ("randaugment_stddev", -1, "from 0 to 10"),
        ("color_jitter", 2, "from 0 to 1"),
        ("random_erasing", 1.01, "from 0 to 1"),
        ("mixup", -0.5, "0 or more"),
        ("cutmix", math.inf, "0 or more"),
        ("cutmix_switch", -0.1, "from 0 to 1"),
        ("repeated_augmentation", 0, "from 1 to 100"),
        ("mixup", math.nan, "0 or more"),
        ("mixup", 1e-31, "0, or 1e-30 or more"),
        ("cutmix", 5e-324, "0, or 1e-30 or more"),
        ("crop_area", math.nan, "from 0 to 1"),
    )
    def test_what_is_beyond_its_limits_is_named(self, field, value, rule):
        message = f"^{field} is {value}; it must be {rule}$"
        with self.assertRaisesRegex(errors.InputError, message):
            augmentation_config.AugmentationConfig(**{field: value})

    def test_the_limits_themselves_are_allowed(self):
        augmentation_config.AugmentationConfig(
            crop_area=1, color_jitter=1, random_erasing=1, cutmix_switch=1
        )
        augmentation_config.AugmentationConfig(crop_area=0, mixup=0, cutmix=0)

    def test_either_mixes(self):
        none = augmentation_config.NONE
        self.assertFalse(none.mixes)
        self.assertTrue(dataclasses.replace(none, mixup=0.1).mixes)
        self.assertTrue(dataclasses.replace(none, cutmix=0.1).mixes)


if __name__ == "__main__":
    absltest.main()
