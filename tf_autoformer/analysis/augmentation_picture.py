"""A picture of RandAugment's operations."""

import numpy as np
from matplotlib import figure

from tf_autoformer.data.augmentation import randaugment


def augmentations(image: np.ndarray) -> figure.Figure:
    """Every operation of RandAugment at two levels, and to its other side.

    An operation without another side looks the same there.

    Args:
      image: RGB image, uint8 [height, width, 3]. Its mean color fills what
        comes in from outside.
    """
    strengths = ((5.0, 1.0), (9.0, 1.0), (9.0, -1.0))  # Levels and signs.
    shown = [
        (name, level, sign)
        for name in randaugment.OPERATIONS
        for level, sign in strengths
    ]
    columns = 3 * len(strengths)
    rows = len(shown) // columns
    height, width = image.shape[:2]
    side = 0.8  # inches
    drawing = figure.Figure(
        (side * columns, rows * (side * height / width + 0.2)),
        layout="constrained",
    )
    drawing.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    fill = np.uint8(image.mean(axis=(0, 1)).round())
    for axes, (name, level, sign) in zip(
        drawing.subplots(rows, columns).flat, shown, strict=True
    ):
        operation = randaugment.OPERATIONS[name]
        axes.imshow(np.asarray(operation(image, level, sign, fill)))
        axes.set_title(f"{name} {sign * level:g}", fontsize=5.5)
        axes.axis("off")
    return drawing
