"""Tiles beside a photo, as large as a figure of a given size lets them be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnnviz.results import drawing

_AS_LARGE = 0.8
"""How large tiles are at least where a larger photo fills more of the room, as a share."""
_MOST = 0.4
"""The share of the width that the photo takes at most: what is shown are the tiles."""
_ALIKE = 0.01
"""The share by which a figure differs from the size of a picture of its own, where it does."""


@dataclass(frozen=True)
class BesidePhoto:
    """How the width of a figure is shared.

    Attributes
    ----------
    photo, tiles, spare : float
        Inches that the photo and all tiles together are wide, and what is left over.
    columns : int
        Tiles in a row.
    """

    photo: float
    tiles: float
    spare: float
    columns: int

    @property
    def ratios(self) -> tuple[float, float]:
        """The widths of the two panels; what is left over lies to the right of the tiles."""
        return self.photo, self.tiles + self.spare


def room_in(
    figure: drawing.Canvas, title: float, own: tuple[float, float]
) -> tuple[float, float] | None:
    """Return the inches below a title that a picture may fill; None where its height is its own.

    A column of a paper has a width alone: a picture is as high there as it needs to be. One that is
    as large as the `own` size of the picture, in inches, gets the same picture.
    """
    if drawing.is_narrow(figure):
        return None
    wide = drawing.width_of(figure)
    high = wide * float(figure.bbox.height / figure.bbox.width)
    if all(math.isclose(*sides, rel_tol=_ALIKE) for sides in zip((wide, high), own, strict=True)):
        return None
    return wide, max(high - title, 0.1)


def beside_photo(
    count: int,
    room: tuple[float, float],
    *,
    tile: float,
    label: float,
    photo: float,
    key: float,
    least: float,
) -> BesidePhoto:
    """Share a room, so that tiles are about as large as can be and little is left empty.

    Parameters
    ----------
    count : int
        How many tiles.
    room : (float, float)
        Width and height in inches.
    tile, photo : float
        The height of a tile over its width, and that of the photo.
    label : float
        Inches of the label below a tile.
    key : float
        Inches of the words below the photo.
    least : float
        Inches that the photo is wide at least.
    """
    wide, high = room

    def side(columns: int) -> float:
        rows = -(-count // columns)
        return min((wide - least) / columns, (high / rows - label) / tile)

    def shared(columns: int) -> BesidePhoto:
        tiles = columns * max(side(columns), 0.05)
        grown = min(wide - tiles, (high - key) / photo, _MOST * wide)
        photo_width = max(least, grown)
        return BesidePhoto(photo_width, tiles, max(0.0, wide - photo_width - tiles), columns)

    def area(columns: int) -> float:
        return count * tile * side(columns) ** 2 + photo * shared(columns).photo ** 2

    every = range(1, count + 1)
    largest = max(side(columns) for columns in every)
    return shared(max((each for each in every if side(each) >= _AS_LARGE * largest), key=area))
