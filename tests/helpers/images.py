"""Images that reveal differences between operations."""

import numpy as np


def _noise(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [*size, 3], np.uint8)


def _gradient() -> np.ndarray:
    """A smooth image whose channels have different ranges."""
    x, y = np.meshgrid(np.arange(61), np.arange(47))
    return np.stack([3 * x + y, 20 + x + 2 * y, 200 - 3 * y], -1).astype("u1")


IMAGES = {
    "noise": _noise(64, 64),
    "dark_noise": _noise(40, 40) // 3 + 11,
    "not_square": _noise(31, 90),
    "gradient": _gradient(),
    "constant": np.full([20, 24, 3], (10, 128, 255), np.uint8),
    "grey": np.repeat(_noise(33, 35)[..., :1], 3, axis=2),
    "two_values": _noise(16, 16) // 128 * 255,
    "one_pixel": np.uint8([[[200, 3, 90]]]),
    "two_rows": _noise(2, 9),
    "eight_by_eight": _noise(8, 8),
}
