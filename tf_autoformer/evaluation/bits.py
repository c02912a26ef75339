"""Right and wrong answers as text."""

import base64

import numpy as np


def encode(right: np.ndarray) -> str:
    """A bool vector as base64, eight values a byte."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def decode(text: str, count: int) -> np.ndarray:
    """The bool vector of `encode`.

    Args:
      text: Result of `encode`.
      count: Number of values.

    Raises:
      ValueError: The text is not the code of this number of values.
    """
    content = base64.b64decode(text, validate=True)
    if len(content) != -(-count // 8):
        raise ValueError(f"{len(content)} bytes do not hold {count} answers")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=count) == 1
