"""Things in front of the object that hide exactly the fraction of it that was asked for."""

from __future__ import annotations

import math

import numpy as np

from .colour import oklch
from .painting import Array, Palette, Pattern, Picture, grid, mix

KINDS = ("card", "slats", "leaf")


def occluder(
    rng: np.random.Generator,
    palette: Palette,
    alpha: Array,
    fraction: float,
) -> tuple[Picture, Array]:
    """Return the colours and the coverage of something that hides a fraction of the object.

    The occluder is where a smooth field exceeds a threshold, and the threshold is the quantile of
    the field over the object's own area; so a larger fraction contains every smaller one.

    Parameters
    ----------
    rng : numpy.random.Generator
    palette : Palette
    alpha : array, [size, size]
        Coverage of the object.
    fraction : float
        Fraction of that coverage to hide, above 0.

    Returns
    -------
    colour : array, [size, size, 3]
    hiding : array, [size, size]
    """
    size = alpha.shape[0]
    kind, angle, wobble, phase, which, light = (float(u) for u in rng.random(6))
    texture = Pattern.draw(rng, "stripes" if which < 0.4 else "noise", 4.0, 9.0)
    u, v, radius = _object_frame(alpha, 2.0 * math.pi * angle)
    bent = u + (1.0 + 1.5 * wobble) * np.sin(v * (0.9 / radius) + 2.0 * math.pi * phase)
    name = KINDS[int(kind * len(KINDS))]
    if name == "leaf":
        field = -_leaf_size(u - 1.1 * radius, np.abs(v))
        hiding = _above(field, _threshold(field, alpha, fraction))
    elif name == "slats":
        period = 0.8 * radius
        field = np.abs(np.mod(bent / period + phase, 1.0) - 0.5) * (2.0 * period)
        hiding = _above(field, _threshold(field, alpha, fraction)) * _window(u, v, radius)
    else:
        hiding = _above(bent, _threshold(bent, alpha, fraction)) * _window(u, v, radius)
    hue = palette.accents[int(3.0 * wobble)]
    lightness = (0.48 if palette.dark else 0.72) + 0.08 * light
    first, second = oklch(lightness, 0.07, hue), oklch(lightness + 0.07, 0.09, hue + 15.0)
    x, y = grid(size)
    unit = np.float32(1.0 / size)
    return mix(first, second, texture(x * unit, y * unit)), hiding


def _object_frame(alpha: Array, angle: float) -> tuple[Array, Array, float]:
    """Return coordinates along and across a direction from the object's middle, and its reach."""
    x, y = grid(alpha.shape[0])
    rows, columns = np.nonzero(alpha > 0.0)
    middle_x = 0.5 * float(columns.min() + columns.max() + 1)
    middle_y = 0.5 * float(rows.min() + rows.max() + 1)
    cosine, sine = math.cos(angle), math.sin(angle)
    u = (x - middle_x) * cosine + (y - middle_y) * sine
    v = (y - middle_y) * cosine - (x - middle_x) * sine
    reach = float(np.hypot(columns + 0.5 - middle_x, rows + 0.5 - middle_y).max())
    return u, v, max(reach, 2.0)


def _leaf_size(along: Array, across: Array) -> Array:
    """Return the half-width of the smallest leaf around the origin that reaches each point.

    A leaf is the lens in which two discs of radius s overlap whose centres lie 0.6 s to either
    side: twice as long as it is wide, with a point at each end.
    """
    shift = 0.6
    rest = 1.0 - shift * shift
    root = np.sqrt(np.square(shift * across) + rest * (np.square(along) + np.square(across)))
    return np.asarray((shift * across + root) * ((1.0 - shift) / rest), dtype=np.float32)


def _above(field: Array, threshold: float) -> Array:
    """Return where a field in pixels exceeds a threshold, with an edge one pixel wide."""
    return np.asarray(np.clip(field - np.float32(threshold - 0.5), 0.0, 1.0), dtype=np.float32)


def _window(u: Array, v: Array, radius: float) -> Array:
    """Return the part of the picture that a card or slats may take: the object and a margin."""
    half = np.float32(1.18 * radius + 2.0)
    edge = np.clip(half - np.abs(v) + 0.5, 0.0, 1.0) * np.clip(half - np.abs(u) + 0.5, 0.0, 1.0)
    return np.asarray(edge, dtype=np.float32)


def _threshold(field: Array, alpha: Array, fraction: float) -> float:
    """Return the value that the field exceeds on `fraction` of the object's area."""
    inside = alpha > 0.0
    values, weights = field[inside], alpha[inside]
    order = np.argsort(values)
    below = np.cumsum(weights[order], dtype=np.float64)
    position = int(np.searchsorted(below, (1.0 - fraction) * below[-1]))
    return float(values[order[min(position, len(order) - 1)]])
