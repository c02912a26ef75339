"""Everything about the network that an architecture does not choose."""

import dataclasses
import math
from typing import Literal, get_args

from tf_autoformer import errors

Pooling = Literal["cls", "average"]
Position = Literal["none", "absolute", "relative", "both"]
# Of a square, or height and width.
ImageSize = int | tuple[int, int]
BiasLayout = Literal["heads", "flat"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The fixed part of supernet and subnets.

    Attributes:
      num_classes: width of the classification head.
      image_size: of the input in pixels, 224 or, height first, 224x320.
      patch_size: height and width of a patch in pixels.
      channels: channels of the input.
      head_dim: width of one attention head.
      pooling: what the head reads: the class token ("cls") or the mean of the
        patch tokens without it ("average").
      position: learned absolute embedding, 2-D relative embedding of keys and
        values, both or none.
      max_relative_offset: offsets in rows or columns beyond this are clipped
        to it.
      qkv_bias_layout: which entries of the QKV bias a subnet takes: the first
        heads of q, of k and of v ("heads"), or the first entries of one flat
        vector ("flat", as the official code does), so that an entry serves q,
        k or v depending on the number of heads.
      drop_path: rate of the supernet's last block; it grows linearly from 0.
      init_stddev: of the initial kernels and embeddings. The paper's 0.02 is
        for its widths; a network far narrower learns faster from more.
    """

    num_classes: int
    image_size: ImageSize = 224
    patch_size: int = 16
    channels: int = 3
    head_dim: int = 64
    pooling: Pooling = "average"
    position: Position = "both"
    max_relative_offset: int = 14
    qkv_bias_layout: BiasLayout = "heads"
    drop_path: float = 0.1
    init_stddev: float = 0.02

    def __post_init__(self) -> None:
        for field in (
            "num_classes",
            "patch_size",
            "channels",
            "head_dim",
            "max_relative_offset",
            "init_stddev",
        ):
            if not 0 < getattr(self, field) < math.inf:
                raise errors.InputError(
                    f"{field} is {getattr(self, field)}; it must be positive"
                )
        for side in self.input_size:
            if side < 1:
                raise errors.InputError(
                    f"image_size is {self.image_size}; it must be positive"
                )
            if side % self.patch_size:
                raise errors.InputError(
                    f"image_size is {self.image_size}; it must be a multiple "
                    f"of patch_size, {self.patch_size}"
                )
        for field, choices in (
            ("pooling", Pooling),
            ("position", Position),
            ("qkv_bias_layout", BiasLayout),
        ):
            if getattr(self, field) not in get_args(choices):
                raise errors.InputError(
                    f"{field} is {getattr(self, field)!r}; it must be one of "
                    f"{', '.join(get_args(choices))}"
                )
        if not 0 <= self.drop_path < 1:
            raise errors.InputError(
                f"drop_path is {self.drop_path}; it must be in [0, 1)"
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
        """Patches and the class token."""
        rows, columns = self.grid
        return rows * columns + 1

    @property
    def has_absolute_position(self) -> bool:
        """Whether a learned embedding is added to the tokens."""
        return self.position in ("absolute", "both")

    @property
    def has_relative_position(self) -> bool:
        """Whether attention adds 2-D relative embeddings."""
        return self.position in ("relative", "both")

    def drop_path_rates(self, depth: int) -> list[float]:
        """The rate of each block of a supernet of `depth` blocks."""
        steps = max(depth - 1, 1)
        return [self.drop_path * block / steps for block in range(depth)]
