"""The outlines of the ten classes, and the view of a plane in which they are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .factors import CLASSES, Factors

Points = npt.NDArray[np.float64]

VIEWING_DISTANCE = 3.0
"""Distance of the viewer from the object's centre, in radii of the object."""


def outline(label: int, form: float) -> list[Points]:
    """Return the contours of a class in its own frame.

    Parameters
    ----------
    label : int
        Index into `CLASSES`.
    form : float
        The class's own proportion, -1 to 1.

    Returns
    -------
    list of array, [P, 2]
        Closed contours in x (right) and y (down) within the unit circle. A second contour is a
        hole.
    """
    return _OUTLINES[CLASSES[label]](form)


def homography(factors: Factors, size: int) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix from the object's frame to pixels of a `size` x `size` picture.

    The object's plane is stretched (aspect), turned (rotation), tilted away from a viewer at
    `VIEWING_DISTANCE` (perspective), then scaled and moved. Pixel (0, 0) spans 0 to 1.
    """
    stretch = math.sqrt(factors.aspect)
    own = np.diag([stretch, 1.0 / stretch, 1.0])
    tilt = math.radians(factors.perspective)
    recede = np.eye(3)
    recede[0, 0] = math.cos(tilt)
    recede[2, 0] = math.sin(tilt) / VIEWING_DISTANCE
    into_view = _turn(factors.view_angle)
    view = into_view @ recede @ into_view.T
    radius = 0.5 * factors.scale * size
    place = np.array(
        [[radius, 0.0, factors.x * size], [0.0, radius, factors.y * size], [0.0, 0.0, 1.0]]
    )
    return np.asarray(place @ view @ _turn(factors.rotation) @ own)


def project(points: Points, matrix: npt.NDArray[np.float64]) -> Points:
    """Return points [P, 2] mapped by a homography."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def _turn(degrees: float) -> npt.NDArray[np.float64]:
    """Return the rotation by `degrees`, counter-clockwise as seen with y downwards."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _arc(start: float, stop: float, count: int, radius: float = 1.0) -> Points:
    angles = np.radians(np.linspace(start, stop, count))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle(radius: float = 1.0) -> Points:
    return _arc(0.0, 354.0, 60, radius)


def _rounded(corners: Points, fraction: float) -> Points:
    """Cut every corner by a quadratic curve that starts `fraction` of a side before it."""
    if fraction <= 0.0:
        return corners
    before = corners + fraction * (np.roll(corners, 1, axis=0) - corners)
    after = corners + fraction * (np.roll(corners, -1, axis=0) - corners)
    t = np.linspace(0.0, 1.0, 6)[None, :, None]
    curve = (1 - t) ** 2 * before[:, None] + 2 * t * (1 - t) * corners[:, None]
    return np.asarray((curve + t**2 * after[:, None]).reshape(-1, 2))


def _regular(sides: int, start: float, rounding: float) -> list[Points]:
    angles = start + 360.0 / sides * np.arange(sides)
    corners = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    return [_rounded(corners, rounding)]


def _disc(form: float) -> list[Points]:
    return [_circle()]


def _square(form: float) -> list[Points]:
    return _regular(4, 45.0, 0.09 * (1.0 + form))


def _triangle(form: float) -> list[Points]:
    return _regular(3, -90.0, 0.08 * (1.0 + form))


def _hexagon(form: float) -> list[Points]:
    return _regular(6, 0.0, 0.05 * (1.0 + form))


def _star(form: float) -> list[Points]:
    angles = np.radians(-90.0 + 36.0 * np.arange(10))
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.47 + 0.08 * form)
    return [np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)]


def _cross(form: float) -> list[Points]:
    a = 0.29 + 0.07 * form
    b = math.sqrt(1.0 - a * a)
    quarter = np.array([[a, b], [a, a], [b, a]])
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return [np.concatenate([quarter @ turn.T for turn in turns])]


def _ring(form: float) -> list[Points]:
    return [_circle(), _circle(0.56 - 0.1 * form)]


def _crescent(form: float) -> list[Points]:
    """Return the unit disc less a disc of radius `bite` that is moved to the right by `shift`."""
    bite, shift = 0.82, 0.5 + 0.12 * form
    x = (1.0 + shift * shift - bite * bite) / (2.0 * shift)
    outer = math.degrees(math.acos(x))
    inner = math.degrees(math.atan2(math.sqrt(1.0 - x * x), x - shift))
    rim = _arc(outer, 360.0 - outer, 48)
    hollow = _arc(360.0 - inner, inner, 40, bite) + np.array([shift, 0.0])
    return [np.concatenate([rim, hollow[1:-1]])]


def _arrow(form: float) -> list[Points]:
    shaft, barb, neck = 0.2 + 0.05 * form, 0.68, 0.05
    half = np.array([[-0.95, shaft], [neck, shaft], [neck, barb]])
    mirrored = half[::-1] * np.array([1.0, -1.0])
    return [np.concatenate([half, np.array([[1.0, 0.0]]), mirrored])]


def _heart(form: float) -> list[Points]:
    t = np.radians(np.linspace(0.0, 354.0, 60))
    x = 16.0 * np.sin(t) ** 3
    dent = 5.0 + form
    y = -(13.0 * np.cos(t) - dent * np.cos(2 * t) - 2.0 * np.cos(3 * t) - np.cos(4 * t))
    points = np.stack([x, y - 2.5], axis=1)
    return [points / np.hypot(points[:, 0], points[:, 1]).max()]


_OUTLINES: dict[str, Callable[[float], list[Points]]] = {
    "circle": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "crescent": _crescent,
    "arrow": _arrow,
    "heart": _heart,
    "hexagon": _hexagon,
}
