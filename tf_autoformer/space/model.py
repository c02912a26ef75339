"""The fixed part of the network, which no architecture chooses."""

import dataclasses
from typing import Literal

from tf_autoformer import errors, rules

Pooling = Literal["cls", "average"]
Position = Literal["none", "absolute", "relative", "relative_keys", "both"]
# Side of a square, or height and width.
ImageSize = int | tuple[int, int]
BiasLayout = Literal["heads", "flat"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The fixed part of supernet and subnets.

    Attributes:
      num_classes: Width of the classification head.
      image_size: Input size in pixels: 224, or height and width, as 224x320.
      patch_size: Height and width of a patch in pixels.
      channels: Channels of the input.
      head_dim: Width of one attention head.
      pooling: Input of the classification head: the class token ("cls") or
        the mean of the patch tokens without it ("average").
      position: Position embedding: none, learned absolute, 2-D relative for
        keys and values, 2-D relative for keys alone (relative_keys), or
        absolute and relative for keys and values (both).
      max_relative_offset: Largest offset in rows or columns. Larger ones are
        clipped to it.
      qkv_bias_layout: Entries of the QKV bias that a subnet takes. "heads":
        the first heads of q, of k and of v. "flat": the first entries of one
        vector, as in the official code, so that an entry serves q, k or v
        depending on the number of heads.
      drop_path: Drop-path rate of the supernet's last block. It grows
        linearly from 0.
      init_stddev: Standard deviation of the initial kernels and embeddings.
        The paper's 0.02 suits its widths. A far narrower network learns
        faster with a larger value.
    """

    num_classes: int = rules.field(dataclasses.MISSING, rules.POSITIVE)
    image_size: ImageSize = 224
    patch_size: int = rules.field(16, *rules.SIZE)
    channels: int = rules.field(3, *rules.SIZE)
    head_dim: int = rules.field(64, *rules.SIZE)
    pooling: Pooling = "average"
    position: Position = "both"
    max_relative_offset: int = rules.field(14, *rules.SIZE)
    qkv_bias_layout: BiasLayout = rules.field("heads", before="heads")
    drop_path: float = rules.field(
        0.1, rules.Rule("in [0, 1)", lambda rate: 0 <= rate < 1)
    )
    init_stddev: float = rules.field(0.02, rules.POSITIVE)

    def __post_init__(self) -> None:
        rules.check(self)
        for side in self.input_size:
            if side < 1:
                raise errors.InputError(
                    f"image_size is {self.image_size}; it must be positive"
                )
            rules.require("image_size", side, rules.at_most(rules.LARGEST_SIZE))
            if side % self.patch_size:
                raise errors.InputError(
                    f"image_size is {self.image_size}; it must be a multiple "
                    f"of patch_size, {self.patch_size}"
                )

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        if isinstance(self.image_size, int):
            return self.image_size, self.image_size
        return self.image_size

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        height, width = self.input_size
        return height // self.patch_size, width // self.patch_size

    @property
    def num_tokens(self) -> int:
        """Number of tokens: the patches and the class token."""
        rows, columns = self.grid
        return rows * columns + 1

    @property
    def has_absolute_position(self) -> bool:
        """Whether a learned embedding is added to the tokens."""
        return self.position in ("absolute", "both")

    @property
    def has_relative_keys(self) -> bool:
        """Whether attention adds 2-D relative embeddings to the keys."""
        return self.position in ("relative", "relative_keys", "both")

    @property
    def has_relative_values(self) -> bool:
        """Whether attention adds 2-D relative embeddings to the values."""
        return self.position in ("relative", "both")

    def drop_path_rates(self, depth: int) -> list[float]:
        """The drop-path rate of each block of a supernet of `depth` blocks."""
        steps = max(depth - 1, 1)
        return [self.drop_path * block / steps for block in range(depth)]
