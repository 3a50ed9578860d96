"""Colours in Oklch (lightness, chroma, hue), so that equal steps look equal (Ottosson, 2020)."""

from __future__ import annotations

import math
from typing import TypeAlias

Colour: TypeAlias = tuple[float, float, float]


def oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """Return an Oklch colour as sRGB.

    Parameters
    ----------
    lightness : float
        0 is black, 1 is white.
    chroma : float
        0 is grey; about 0.3 is the most vivid that a screen shows.
    hue : float
        Degrees; about 30 is red, 110 yellow, 145 green, 260 blue.

    Returns
    -------
    tuple of three floats
        Red, green and blue in [0, 1]. Chroma is lowered until the colour can be shown, so that
        lightness and hue are kept.
    """
    a, b = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    while True:
        linear = _linear(lightness, chroma * a, chroma * b)
        if chroma < 1e-3 or all(-1e-3 <= channel <= 1.0 + 1e-3 for channel in linear):
            red, green, blue = (_companded(channel) for channel in linear)
            return red, green, blue
        chroma *= 0.92


def _linear(lightness: float, a: float, b: float) -> Colour:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _companded(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    if channel <= 0.0031308:
        return 12.92 * channel
    return float(1.055 * channel ** (1.0 / 2.4) - 0.055)
