"""One sample, from its factors to its pixels and its exact masks."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from cnnviz.errors import UsageError, did_you_mean

from .clutter import coverage, distractors
from .factors import CLASSES, Factors
from .occluder import occluder
from .outlines import Points, homography, outline, project
from .painting import (
    Array,
    Palette,
    Pattern,
    Picture,
    background,
    cast_shadow,
    cover,
    grid,
    illuminate,
    mix,
    repeated,
    shade_rim,
)
from .streams import Part, Split, stream

SIZE = 96
SMALLEST, LARGEST = 32, 1024


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """A picture of one object, and everything that is known about it.

    Attributes
    ----------
    image : array, [size, size, 3], uint8
        RGB.
    label : int
        Index into `CLASSES`.
    mask : array, [size, size], bool
        The pixels that show the object: at least half of the pixel is object, not hidden.
    full_mask : array, [size, size], bool
        The same without the occluder.
    factors : Factors
        What the picture was made from.
    seed, index, split : int, int, str
        Where it comes from: `draw(label, factors, seed=seed, index=index, split=split)` makes it
        again.
    """

    image: npt.NDArray[np.uint8] = dataclasses.field(repr=False)
    label: int
    mask: npt.NDArray[np.bool_] = dataclasses.field(repr=False)
    full_mask: npt.NDArray[np.bool_] = dataclasses.field(repr=False)
    factors: Factors
    seed: int
    index: int
    split: Split

    @property
    def name(self) -> str:
        """Name of the class."""
        return CLASSES[self.label]

    @property
    def hidden(self) -> float:
        """Fraction of the object's pixels that are hidden, measured on the masks."""
        full = int(self.full_mask.sum())
        return 1.0 - int(self.mask.sum()) / full if full else 0.0


def check_label(label: int | str) -> int:
    """Return the index of a class given by index or name.

    Raises
    ------
    UsageError
        If there is no such class.
    """
    if isinstance(label, str):
        if label in CLASSES:
            return CLASSES.index(label)
        remedy = did_you_mean(label, CLASSES, f"The classes are {', '.join(CLASSES)}.")
        raise UsageError(f"{label!r} is not a class of shapes.", remedy)
    if isinstance(label, bool) or not 0 <= label < len(CLASSES):
        raise UsageError(
            f"shapes has no class {label!r}.", f"Give an index from 0 to {len(CLASSES) - 1}."
        )
    return int(label)


def check_size(size: int) -> int:
    """Return the side of a picture if pictures of that side can be drawn.

    Raises
    ------
    UsageError
        If it is too small, too large or not a whole number.
    """
    if isinstance(size, bool) or size != int(size) or not SMALLEST <= size <= LARGEST:
        raise UsageError(
            f"A shapes picture cannot have a side of {size!r} pixels.",
            f"Give a whole number from {SMALLEST} to {LARGEST}.",
        )
    return int(size)


def draw(
    label: int | str,
    factors: Factors | None = None,
    *,
    seed: int = 0,
    index: int = 0,
    split: Split = "train",
    size: int = SIZE,
) -> Sample:
    """Draw one sample.

    What has no name among the factors (background, the distractors' shapes, the phase of a
    texture, the kind of occluder, grain) depends on seed, index and split alone, each from its own
    stream of random numbers. Samples that differ in one factor therefore differ in nothing else.

    Parameters
    ----------
    label : int or str
        Class, by index or name.
    factors : Factors, optional
        What the picture is made from.
    seed, index, split : int, int, str
        Where the unnamed parts come from.
    size : int
        Side of the picture in pixels; the shipped networks see 96.

    Returns
    -------
    Sample

    Raises
    ------
    UsageError
        If an argument is out of its limits.
    """
    label, size = check_label(label), check_size(size)
    factors = Factors() if factors is None else factors
    image, visible, alpha = paint(
        outline(label, factors.form), factors, seed=seed, index=index, split=split, size=size
    )
    return Sample(
        image=image,
        label=label,
        mask=visible >= 0.5,
        full_mask=alpha >= 0.5,
        factors=factors,
        seed=seed,
        index=index,
        split=split,
    )


def paint(
    contours: list[Points], factors: Factors, *, seed: int, index: int, split: Split, size: int
) -> tuple[npt.NDArray[np.uint8], Array, Array]:
    """Paint a scene around any object, as `draw` does around those of the classes.

    Parameters
    ----------
    contours : list of array, [P, 2]
        The object, as `cnnviz.datasets.shapes.outlines.outline` returns it.
    factors, seed, index, split, size
        As in `draw`.

    Returns
    -------
    image : array, [size, size, 3], uint8
    visible, alpha : array, [size, size], float32
        How much of each pixel shows the object, and would without the occluder.
    """

    def part(name: Part) -> np.random.Generator:
        return stream(seed, split, index, name)

    from_background = part("background")
    palette = Palette.draw(from_background)
    picture = background(from_background, palette, size)
    _add_distractors(picture, part("clutter"), palette, factors)
    alpha = _add_object(picture, part("texture"), palette, contours, factors)
    visible = _add_occluder(picture, part("occluder"), palette, alpha, factors)
    return _expose(illuminate(picture, factors), part("grain")), visible, alpha


def _add_distractors(
    picture: Picture, rng: np.random.Generator, palette: Palette, factors: Factors
) -> None:
    if factors.clutter:
        colours, alpha = distractors(rng, palette, factors.clutter, picture.shape[0])
        cast_shadow(picture, alpha, factors, 0.012)
        picture *= repeated(1.0 - alpha)
        picture += colours


def _add_object(
    picture: Picture,
    rng: np.random.Generator,
    palette: Palette,
    contours: list[Points],
    factors: Factors,
) -> Array:
    """Paint the object and return its coverage."""
    size = picture.shape[0]
    matrix = homography(factors, size)
    alpha = coverage([project(line, matrix) for line in contours], size)
    first, second = palette.object_colours(factors, rng)
    texture = Pattern.draw(rng, factors.texture, 1.3, 2.4)
    x, y = grid(size)
    a = np.linalg.inv(matrix).astype(np.float32)
    # Behind the horizon of a steep view there is no object, so the divisor's sign is of no concern.
    depth = a[2, 0] * x + a[2, 1] * y + a[2, 2]
    depth[np.abs(depth) < 1e-6] = 1e-6
    own_x = (a[0, 0] * x + a[0, 1] * y + a[0, 2]) / depth
    own_y = (a[1, 0] * x + a[1, 1] * y + a[1, 2]) / depth
    colour = mix(first, second, texture(own_x, own_y))
    shade_rim(colour, alpha, factors)
    cast_shadow(picture, alpha, factors, 0.03)
    cover(picture, colour, alpha)
    return alpha


def _add_occluder(
    picture: Picture, rng: np.random.Generator, palette: Palette, alpha: Array, factors: Factors
) -> Array:
    """Paint the occluder and return how much of each pixel still shows the object."""
    if factors.occlusion == 0.0 or not alpha.any():
        return alpha
    colour, hiding = occluder(rng, palette, alpha, factors.occlusion)
    shade_rim(colour, hiding, factors)
    cast_shadow(picture, hiding, factors, 0.025)
    cover(picture, colour, hiding)
    return np.asarray(alpha * (1.0 - hiding), dtype=np.float32)


def _expose(picture: Picture, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a picture as 8-bit pixels, with a little of a camera's grain."""
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)
    noisy = np.float32(255.0) * picture + repeated(np.float32(1.6) * grain)
    return np.asarray(np.clip(np.rint(noisy), 0.0, 255.0), dtype=np.uint8)
