"""How the panels of one localised photo fill a figure whose size is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnviz.results import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

TITLES, HEAD, BAR, LABELS = 0.4, 0.16, 0.9, 0.62
"""Inches above a photo, above all, of the colour bar, and of the labels of an axis."""
_LEAST_SMALL = 1.2
"""Inches of a small panel beside a large one at least: its colour bar is as high."""
_LEAST_BELOW = 0.7
"""The same below a large one, where the colour bar goes on below its panel."""
_NAMES = ("box", "map", "pieces", "curve")
_FLAT, _HIGHEST = 0.25, 1.2
"""The height over the width of a photo below which its panels stand one under another by
themselves, and the inches that they are high then at most."""


@dataclass(frozen=True)
class Arrangement:
    """Where the panels of one photo are.

    Attributes
    ----------
    rows : sequence of sequences of str
        The names of the panels, as `subplot_mosaic` takes them.
    large, small : float
        The inches that the photo is high, and those of its map and of the pieces.
    widths, heights : sequence of float
        Inches of the columns and rows without their words, the last of each for what is left over.
    free : bool
        Whether the curve takes all the room there is; otherwise it is as high as the photo.
    """

    rows: Sequence[Sequence[str]]
    large: float
    small: float
    widths: Sequence[float]
    heights: Sequence[float]
    free: bool = False

    @property
    def area(self) -> float:
        """The squared heights of the three pictures, which are all of one shape."""
        return self.large**2 + 2.0 * self.small**2

    def panels(self, figure: drawing.Canvas) -> list[Axes]:
        """Make the panels, in the order of their names."""
        places: list[Any] = [[*row, "."] for row in self.rows]
        made = figure.subplot_mosaic(
            [*places, ["."] * len(places[0])],
            width_ratios=self.widths,
            height_ratios=self.heights,
        )
        return [made[name] for name in _NAMES if name in made]


def arranged(figure: drawing.Canvas, ratio: float, *, curve: bool) -> Arrangement:
    """Return the arrangement in which the pictures of one photo are largest together.

    Parameters
    ----------
    figure : Figure or SubFigure
        What is to be filled.
    ratio : float
        The height of the photo over its width.
    curve : bool
        Whether the overlap at other thresholds is drawn as well.
    """
    wide = drawing.width_of(figure)
    high = max(wide * float(figure.bbox.height / figure.bbox.width) - HEAD, 0.2)
    room = max(wide - BAR, 0.1), high
    possible = [
        _in_a_row(*room, ratio, curve=curve),
        _in_a_square(*room, ratio, curve=curve),
        _beside(*room, ratio, curve=curve),
        _below(*room, ratio, curve=curve),
        _stacked(*room, ratio, curve=curve),
    ]
    return max((each for each in possible if each is not None), key=lambda each: each.area)


def stacked_height(wide: float, ratio: float, *, curve: bool) -> float | None:
    """Return the inches in which a flat photo and what is beside it stand one under another.

    None for a photo that is not so flat. Side by side a panorama would be a strip lower than the
    words above it.
    """
    if ratio >= _FLAT:
        return None
    each = TITLES + min((wide - BAR) * ratio, _HIGHEST)
    # The colour bar and its label go on below a map that is lower than they.
    return (
        HEAD
        + max(3.0 * each, 2.0 * each + _LEAST_SMALL + TITLES)
        + (TITLES + LABELS + _LEAST_SMALL) * curve
    )


def _spare(total: float, used: Sequence[float]) -> list[float]:
    """Return lengths with what is left over of a total."""
    return [*used, max(total - sum(used), 0.01)]


def _in_a_row(wide: float, high: float, ratio: float, *, curve: bool) -> Arrangement:
    names = _NAMES if curve else _NAMES[:3]
    side = min(max(high - TITLES, 0.1), wide / len(names) * ratio)
    # The panels keep apart from each other where they are narrow, and fill the figure so.
    heights = _spare(high - TITLES - LABELS * curve, [side])
    widths = [wide / len(names)] * len(names)
    return Arrangement([names], side, side, _spare(wide, widths), heights)


def _in_a_square(wide: float, high: float, ratio: float, *, curve: bool) -> Arrangement:
    free = high - 2.0 * TITLES - LABELS * curve
    side = min(max(free / 2.0, 0.1), wide / 2.0 * ratio)
    # A curve beside flat pieces is high enough to be read.
    under = max(side, min(_LEAST_SMALL, free - side)) if curve else side
    rows = [_NAMES[:2], ("pieces", "curve" if curve else ".")]
    widths, heights = _spare(wide, [wide / 2.0, wide / 2.0]), _spare(free, [side, under])
    return Arrangement(rows, side, side, widths, heights, free=under > side)


def _beside(wide: float, high: float, ratio: float, *, curve: bool) -> Arrangement | None:
    """Return the photo large at the left, and the rest in two rows at its right."""
    tall = max(high - TITLES, 0.1)
    half = max((tall - TITLES - LABELS) / 2.0, 0.1)
    columns = 2 if curve else 1
    fits = min(1.0, wide * ratio / (tall + columns * half))
    large, small = fits * tall, fits * half
    if small <= _LEAST_SMALL:
        return None
    beside = [("map", "pieces"), ("curve", "curve")] if curve else [("map",), ("pieces",)]
    widths = _spare(wide, [large / ratio, *[small / ratio] * columns])
    heights = [high / 2.0, high / 2.0, 0.01]
    return Arrangement([("box", *row) for row in beside], large, small, widths, heights, free=True)


def _below(wide: float, high: float, ratio: float, *, curve: bool) -> Arrangement | None:
    """Return the photo large above, and the rest in a row below it."""
    names = _NAMES[1:] if curve else _NAMES[1:3]
    small = wide / len(names) * ratio
    under = max(small, _LEAST_SMALL) if curve else small
    free = high - 2.0 * TITLES - LABELS * curve
    large = min((wide + BAR) * ratio, free - under)
    if small < _LEAST_BELOW or large <= small:
        return None
    heights = _spare(free, [large, under])
    widths = _spare(wide, [wide / len(names)] * len(names))
    rows = [("box",) * len(names), names]
    return Arrangement(rows, large, small, widths, heights, free=True)


def _stacked(wide: float, high: float, ratio: float, *, curve: bool) -> Arrangement | None:
    """Return all panels one under another, each as wide as the figure."""
    under = _LEAST_SMALL if curve else 0.0
    free = high - (4.0 if curve else 3.0) * TITLES - LABELS * curve
    side = min(wide * ratio, (free - under) / 3.0)
    if ratio >= _FLAT or side <= 0.0:
        return None
    names = _NAMES if curve else _NAMES[:3]
    heights = _spare(free, [side] * 3 + [under] * curve)
    rows = [(name,) for name in names]
    return Arrangement(rows, side, side, _spare(wide, [wide]), heights, free=True)
