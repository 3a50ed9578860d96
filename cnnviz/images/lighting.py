"""Light, blur and something in the way, on an image of values between 0 and 1, [C, H, W]."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def exposed(values: Values, stops: float) -> Values:
    """Return an image as a camera gives it with so many stops more or less light.

    The values are taken as sRGB (IEC 61966-2-1), multiplied as light, and clipped where the
    camera's range ends.
    """
    return _as_values(_clipped(_light(_clipped(values)) * np.float32(2.0**stops)))


def contrasted(values: Values, factor: float) -> Values:
    """Return an image whose values are so many times as far from mid-grey, clipped to 0..1."""
    return _clipped(0.5 + np.float32(factor) * (values - 0.5))


def lit_from_left(values: Values, strength: float) -> Values:
    """Return an image lit from the left: 0.3 is 30% brighter there and 30% darker opposite."""
    across = np.linspace(1.0, -1.0, values.shape[2], dtype=np.float32)
    return _clipped(values * (1.0 + np.float32(strength) * across))


def blurred(values: Values, sigma: float) -> Values:
    """Return an image blurred by a Gaussian of this deviation in pixels, mirrored at the edges."""
    if sigma <= 0.0:
        return values
    return np.stack([cv2.GaussianBlur(channel, (0, 0), sigma) for channel in values])


def hidden(values: Values, share: float) -> Values:
    """Return an image with a rectangle of this share of its area, in its mean colour, over it.

    The rectangle lies about the middle and has the shape of the image.
    """
    found = values.copy()
    height, width = values.shape[1:]
    tall, wide = (round(float(np.sqrt(share)) * side) for side in (height, width))
    top, left = (height - tall) // 2, (width - wide) // 2
    found[:, top : top + tall, left : left + wide] = values.mean((1, 2))[:, None, None]
    return found


def _clipped(values: Values) -> Values:
    return np.asarray(np.clip(values, 0.0, 1.0), np.float32)


def _light(values: Values) -> Values:
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear, np.float32)


def _as_values(light: Values) -> Values:
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(shown, np.float32)
