"""A rectangle of a photo, in its own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PhotoBox:
    """A rectangle in a photo, in pixels; fractions of a pixel count."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    def cut(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Return what of a photo [H, W, 3] lies in the rectangle, and its left and upper pixel."""
        height, width = pixels.shape[:2]
        left, top = max(0, round(self.left)), max(0, round(self.top))
        right, bottom = min(width, round(self.right)), min(height, round(self.bottom))
        return pixels[top : max(bottom, top + 1), left : max(right, left + 1)], (left, top)
