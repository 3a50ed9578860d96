"""Distractors behind the object: strokes, waves, arcs, beans and shards, none of them a class."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from .painting import Array, Palette, Picture

SUPERSAMPLING = 4
"""Distractors are drawn at this many times the size and averaged, which gives smooth edges."""

FINE = 8
"""The same for the object, whose mask has to be exact."""

_SHIFT = 4
Canvas = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]


def to_canvas(points: Points, times: int) -> npt.NDArray[np.int32]:
    """Return points [P, 2] in pixels as fixed-point ones on a canvas so many times as large."""
    fixed = (points * times - 0.5) * (1 << _SHIFT)
    return np.asarray(np.rint(fixed), dtype=np.int32)


def coverage(contours: list[Points], size: int) -> Array:
    """Return how much of each pixel [size, size] closed contours cover, in [0, 1].

    The first contour is the outermost. Where contours overlap an even number of times there is a
    hole.
    """
    alpha = np.zeros((size, size), dtype=np.float32)
    corners = np.array([contours[0].min(0) - 1.0, contours[0].max(0) + 2.0])
    (left, top), (right, bottom) = np.clip(corners, 0, size).astype(int)
    if left < right and top < bottom:
        canvas = np.zeros((FINE * (bottom - top), FINE * (right - left)), dtype=np.uint8)
        fixed = [to_canvas(contour - np.array([left, top]), FINE) for contour in contours]
        cv2.fillPoly(canvas, fixed, (255,), shift=_SHIFT)
        small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        alpha[top:bottom, left:right] = small * np.float32(1.0 / 255.0)
    return alpha


def distractors(
    rng: np.random.Generator, palette: Palette, count: int, size: int
) -> tuple[Picture, Array]:
    """Return the colours, multiplied by coverage, and the coverage of `count` distractors.

    They are drawn one after the other, so that the first `n` are the same for every count.

    Returns
    -------
    premultiplied : array, [size, size, 3]
    alpha : array, [size, size]
    """
    side = size * SUPERSAMPLING
    canvas = np.zeros((side, side, 4), dtype=np.uint8)
    for _ in range(count):
        kind, x, y, angle, length = (float(u) for u in rng.random(5))
        red, green, blue = palette.distractor(rng)
        paint = (255.0 * red, 255.0 * green, 255.0 * blue, 255.0)
        shape = _KINDS[int(kind * len(_KINDS))](rng, (0.12 + 0.2 * length) * size)
        cosine, sine = math.cos(2 * math.pi * angle), math.sin(2 * math.pi * angle)
        turned = shape.points @ np.array([[cosine, sine], [-sine, cosine]])
        turned += np.array([x, y]) * size
        fixed = [to_canvas(turned, SUPERSAMPLING)]
        if shape.width:
            width = max(1, round(shape.width * SUPERSAMPLING))
            cv2.polylines(canvas, fixed, False, paint, width, cv2.LINE_8, _SHIFT)
        else:
            cv2.fillPoly(canvas, fixed, paint, shift=_SHIFT)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    scaled = small.astype(np.float32)
    scaled *= np.float32(1.0 / 255.0)
    return np.ascontiguousarray(scaled[..., :3]), np.ascontiguousarray(scaled[..., 3])


class _Shape:
    """Points around the origin; a width above 0 makes an open line of them."""

    def __init__(self, points: Points, width: float = 0.0) -> None:
        self.points = points
        self.width = width


def _stroke(rng: np.random.Generator, length: float) -> _Shape:
    width = length * (0.05 + 0.09 * float(rng.random()))
    return _Shape(np.array([[-0.9 * length, 0.0], [0.9 * length, 0.0]]), width)


def _wave(rng: np.random.Generator, length: float) -> _Shape:
    periods, height, width = (float(u) for u in rng.random(3))
    s = np.linspace(-1.0, 1.0, 40)
    y = (0.12 + 0.12 * height) * np.sin(math.pi * (1.5 + 1.5 * periods) * s)
    return _Shape(np.stack([s, y], axis=1) * length, length * (0.05 + 0.06 * width))


def _zigzag(rng: np.random.Generator, length: float) -> _Shape:
    teeth, height, width = (float(u) for u in rng.random(3))
    count = 4 + int(3 * teeth)
    x = np.linspace(-0.8, 0.8, count)
    y = (0.12 + 0.12 * height) * (-1.0) ** np.arange(count)
    return _Shape(np.stack([x, y], axis=1) * length, length * (0.05 + 0.06 * width))


def _bow(rng: np.random.Generator, length: float) -> _Shape:
    """Return at most a third of a circle, too open and too thin for a crescent or a ring."""
    span, width = (float(u) for u in rng.random(2))
    angles = np.radians(50.0 + 60.0 * span) * np.linspace(-0.5, 0.5, 24)
    arc = np.stack([np.sin(angles), 1.0 - np.cos(angles)], axis=1)
    return _Shape(1.3 * length * arc, length * (0.05 + 0.07 * width))


def _bean(rng: np.random.Generator, length: float) -> _Shape:
    """Return a short thick arc; its round ends tell it from a crescent."""
    span, width = (float(u) for u in rng.random(2))
    angles = np.radians(60.0 + 60.0 * span) * np.linspace(-0.5, 0.5, 24)
    arc = np.stack([np.sin(angles), 1.0 - np.cos(angles)], axis=1)
    return _Shape(0.55 * length * arc, length * (0.26 + 0.12 * width))


def _shard(rng: np.random.Generator, length: float) -> _Shape:
    """Return a thin, crooked quadrilateral."""
    a, b, c, d = (float(u) for u in rng.random(4))
    corners = np.array(
        [
            [-0.7, 0.06 + 0.1 * a],
            [0.5 + 0.3 * b, 0.1 + 0.16 * c],
            [0.75, -0.04],
            [-0.5 + 0.4 * d, -0.16],
        ]
    )
    return _Shape(corners * length)


_KINDS: tuple[Callable[[np.random.Generator, float], _Shape], ...] = (
    _stroke,
    _wave,
    _zigzag,
    _bow,
    _bean,
    _shard,
)
