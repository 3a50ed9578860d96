"""Paint for a sample: patterns, the background and its colours, light, shade and shadow."""

from __future__ import annotations

import dataclasses
import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from .colour import Colour, oklch
from .factors import TEXTURES, Factors

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.float32]

DARK_BACKGROUND = 0.5
"""Share of the samples whose background is dark; on the others it is light."""


@functools.lru_cache(maxsize=8)
def grid(size: int) -> tuple[Array, Array]:
    """Return x and y of the pixel centres of a picture [size, size], in pixels."""
    centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
    x, y = np.meshgrid(centres, centres)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def light_direction(factors: Factors) -> tuple[float, float]:
    """Return the unit vector, x right and y down, that points to where the light comes from."""
    angle = math.radians(factors.light_angle)
    return math.cos(angle), -math.sin(angle)


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A pattern of two colours; `kind` can change while everything else stays.

    Attributes
    ----------
    kind : str
        One of `TEXTURES`.
    frequency : float
        Repeats per unit of the coordinates it is evaluated at.
    angle : float
        Direction, radians.
    phase : float
        Shift, in repeats.
    tile : array, [16, 16]
        Values in [0, 1] that the `noise` texture is interpolated from.
    """

    kind: str
    frequency: float
    angle: float
    phase: float
    tile: Array

    @classmethod
    def draw(cls, rng: np.random.Generator, kind: str, low: float, high: float) -> Pattern:
        """Return a pattern with a frequency between `low` and `high`."""
        frequency, angle, phase = rng.random(3)
        return cls(
            kind=kind,
            frequency=low + (high - low) * float(frequency),
            angle=2.0 * math.pi * float(angle),
            phase=float(phase),
            tile=rng.random((16, 16), dtype=np.float32),
        )

    def __call__(self, x: Array, y: Array) -> Array:
        """Return how much of the second colour lies at each point, in [0, 1], float32."""
        if self.kind == "plain":
            return np.zeros_like(x)
        if self.kind == "noise":
            return self._noise(x, y)
        cosine, sine = np.float32(math.cos(self.angle)), np.float32(math.sin(self.angle))
        u, v = cosine * x + sine * y, cosine * y - sine * x
        if self.kind == "gradient":
            return _clip(np.float32(0.5) * (u + np.float32(1.0)))
        turn = np.float32(2.0 * math.pi * self.frequency)
        shift = np.float32(2.0 * math.pi * self.phase)
        if self.kind == "stripes":
            return _clip(0.5 + 1.6 * np.sin(turn * u + shift))
        if self.kind == "checker":
            half = np.float32(0.5) * turn
            return _clip(0.5 + 2.6 * np.sin(half * u + shift) * np.sin(half * v))
        return _clip(0.5 + 1.6 * (np.cos(turn * u + shift) + np.cos(turn * v) - 0.95))

    def _noise(self, x: Array, y: Array) -> Array:
        scale = np.float32(1.6 * self.frequency)
        column, row = scale * x + np.float32(8.0), scale * y + np.float32(8.0)
        values = cv2.remap(
            self.tile, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        smooth = cv2.GaussianBlur(values, (0, 0), 0.8)
        return _clip(0.5 + 1.7 * (smooth - 0.5))


@dataclasses.dataclass(frozen=True)
class Palette:
    """The few hues that the background, the distractors and the occluder of a sample share.

    Attributes
    ----------
    dark : bool
        Whether the background is dark. The object is painted in a lightness that stands off.
    hue : float
        Hue of the background, degrees.
    accents : tuple of three floats
        Hues of the distractors, degrees.
    """

    dark: bool
    hue: float
    accents: tuple[float, float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Palette:
        """Return a palette: a hue, one beside it, and two across the colour wheel."""
        dark, hue, beside, across, other = (float(u) for u in rng.random(5))
        hue *= 360.0
        return cls(
            dark=dark < DARK_BACKGROUND,
            hue=hue,
            accents=(
                hue + 20.0 + 30.0 * beside,
                hue + 150.0 + 30.0 * across,
                hue + 195.0 + 45.0 * other,
            ),
        )

    def distractor(self, rng: np.random.Generator) -> Colour:
        """Return the colour of one distractor: often muted, sometimes as vivid as an object."""
        which, muted, light, vivid = (float(u) for u in rng.random(4))
        hue = self.accents[int(3.0 * which)]
        if muted < 0.55:
            lightness = 0.42 + 0.18 * light if self.dark else 0.68 + 0.16 * light
            return oklch(lightness, 0.03 + 0.07 * vivid, hue)
        lightness = 0.6 + 0.22 * light if self.dark else 0.5 + 0.18 * light
        return oklch(lightness, 0.1 + 0.09 * vivid, hue)

    def object_colours(self, factors: Factors, rng: np.random.Generator) -> tuple[Colour, Colour]:
        """Return the object's two colours; the second is for its texture."""
        light, turn, way = (float(u) for u in rng.random(3))
        lightness = 0.7 + 0.12 * light if self.dark else 0.5 + 0.1 * light
        chroma = 0.21 * factors.saturation
        side = 1.0 if way < 0.5 else -1.0
        second = lightness + (0.13 if self.dark else -0.13)
        return (
            oklch(lightness, chroma, factors.hue),
            oklch(second, 0.8 * chroma, factors.hue + side * (15.0 + 45.0 * turn)),
        )


def mix(first: Colour, second: Colour, amount: Array) -> Picture:
    """Return a picture [H, W, 3] that goes from one colour to the other with `amount` [H, W]."""
    start = np.asarray(first, dtype=np.float32)
    step = np.asarray(second, dtype=np.float32) - start
    return merged(*(start[i] + amount * step[i] for i in range(3)))


def merged(red: Array, green: Array, blue: Array) -> Picture:
    """Return three planes [H, W] as one picture [H, W, 3].

    Much faster than broadcasting over the last axis, whose inner loops have only three steps.
    """
    return np.asarray(cv2.merge((red, green, blue)), dtype=np.float32)


def repeated(plane: Array) -> Picture:
    """Return a plane [H, W] as a picture [H, W, 3] of three equal channels."""
    return merged(plane, plane, plane)


def background(rng: np.random.Generator, palette: Palette, size: int) -> Picture:
    """Return a textured background [size, size, 3] with soft large-scale variation."""
    kind, light, vivid, step, turn = (float(u) for u in rng.random(5))
    texture = Pattern.draw(rng, TEXTURES[int(kind * len(TEXTURES))], 3.0, 8.0)
    clouds = Pattern.draw(rng, "noise", 1.2, 2.4)
    lightness = 0.27 + 0.13 * light if palette.dark else 0.79 + 0.1 * light
    chroma = 0.015 + (0.06 if palette.dark else 0.045) * vivid
    amplitude = (0.03 + 0.06 * step) * (1.0 if palette.dark else -1.0)
    first = oklch(lightness, chroma, palette.hue)
    second = oklch(lightness + amplitude, 1.2 * chroma, palette.hue + 50.0 * (turn - 0.5))
    x, y = grid(size)
    unit = np.float32(1.0 / size)
    u, v = x * unit - np.float32(0.5), y * unit - np.float32(0.5)
    picture = mix(first, second, texture(u, v))
    picture *= repeated(1.0 + 0.16 * (clouds(u, v) - 0.5))
    return picture


def cover(picture: Picture, colour: Picture, alpha: Array) -> None:
    """Lay `colour` [H, W, 3] over a picture in place, where `alpha` [H, W] says."""
    picture += repeated(alpha) * (colour - picture)


def cast_shadow(picture: Picture, alpha: Array, factors: Factors, depth: float) -> None:
    """Darken a picture in place by the soft shadow of something that floats above it.

    Parameters
    ----------
    picture : array, [size, size, 3]
    alpha : array, [size, size]
        Coverage of what throws the shadow.
    factors : Factors
        The shadow falls away from the light.
    depth : float
        How far it falls, as a fraction of the side.
    """
    size = alpha.shape[0]
    dx, dy = light_direction(factors)
    shift = np.array([[1.0, 0.0, -depth * size * dx], [0.0, 1.0, -depth * size * dy]])
    moved = cv2.warpAffine(alpha, shift, (size, size), flags=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(moved, (0, 0), 0.6 * depth * size)
    picture *= repeated(1.0 - 0.42 * soft)


def shade_rim(colour: Picture, alpha: Array, factors: Factors) -> None:
    """Give something flat a rounded rim, lit from the light's side, in place."""
    sigma = 0.016 * alpha.shape[0]
    soft = cv2.GaussianBlur(alpha, (0, 0), sigma)
    dx, dy = light_direction(factors)
    slope = cv2.Scharr(soft, cv2.CV_32F, 1, 0) * (-dx / 32.0)
    slope += cv2.Scharr(soft, cv2.CV_32F, 0, 1) * (-dy / 32.0)
    # Towards the light the coverage falls, so the slope against it is positive on the lit side.
    colour += repeated(slope * np.float32(0.9 * sigma))


def illuminate(picture: Picture, factors: Factors) -> Picture:
    """Return a picture under the light, the contrast and the brightness of `factors`."""
    size = picture.shape[0]
    x, y = grid(size)
    dx, dy = light_direction(factors)
    scale = np.float32(2.0 / size)
    towards = (scale * x - np.float32(1.0)) * np.float32(dx)
    towards += (scale * y - np.float32(1.0)) * np.float32(dy)
    gain = factors.brightness * (1.0 + factors.light_strength * towards)
    lit = np.float32(0.5) + np.float32(factors.contrast) * (picture - np.float32(0.5))
    return np.asarray(lit * repeated(gain))


def _clip(values: Array) -> Array:
    return np.asarray(np.clip(values, 0.0, 1.0), dtype=np.float32)
