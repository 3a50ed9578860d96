"""How projections are drawn: beside the patch of the photo that they belong to, or on the photo."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, mosaics
from cnnviz.results.aligned_numbers import beside_each_other
from cnnviz.results.array_pictures import upwards
from cnnviz.results.space import IMAGE
from cnnviz.results.text import first_few, shortened
from cnnviz.units.projection.windows import cut, overlap
from cnnviz.views.pictures.beside_photo import beside_photo, room_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.introspection.receptive_fields import Box
    from cnnviz.views.deconvnet import Projections

_T = TypeVar("_T")
_WIDEST, _SHAPE = 16.0, 1.5
"""Inches of a picture of several images at most, and how many times as wide as high it is best."""
_LONGEST = 224
"""Pixels of a tile's longer side; a larger patch is shrunk to it."""
_LEAST = 84
"""Pixels of a tile's longer side at least; a smaller patch grows by a whole factor."""
_LEAST_PHOTO = 168
"""The same of a whole photo, on which a frame is to be thin."""
REACH = 99.5
"""The percentile of a projection's sizes at which its colours end: single pixels hide the rest."""
_SEAM = 2
_LABEL = 0.27
"""Inches that two lines of label take."""
_KEY, _LONG_KEY = 0.9, 1.25
"""Inches that the words below the photo take, and the most that they do."""
_MOST_PLACES = 16
_MOST_FRAMED = 0.4
_MOST_CUT = 0.6
"""The share of a photo's side up to which windows are cut out: larger ones repeat the photo."""
_DIMMED = 0.7
"""How much of the grey of empty tiles lies over the photo outside a window."""
_LINE, _FRAME = 2, (42, 111, 219)
"""Pixels of a window's frame, and its colour, that of `drawing.ACCENT`."""
_PHOTO, _TITLE = 2.6, 0.5
"""Inches that the photo is wide, where the picture has its own size, and of the title."""
_LETTER = 0.062
"""Inches of the width of a letter of a channel's number."""
_SIDES, _BETWEEN = 0.2, 0.1
"""Inches beside the tiles of a column, and between the labels of two tiles."""


def draw(found: Projections, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw each patch beside its projection, or large ones on the photo; one photo as well."""
    alone = len(found.images) == 1
    across, grid = _grid(found)
    if into is not None and drawing.too_narrow(into, across + _PHOTO * alone):
        return _in_a_column(found, into)
    least = _PHOTO * found.photos.shape[1] / found.photos.shape[2] + _KEY if alone else 2.2
    down = min(24.0, max(least, across * grid.pixels.shape[0] / grid.pixels.shape[1]))
    own = across + _PHOTO * alone, down + _TITLE
    room = room_in(into, _TITLE, own) if into is not None and alone else None
    if into is not None and room is not None:
        return _filling(found, into, room)
    figure = drawing.canvas(*own, into)
    axes = figure.subplots(1, 2, width_ratios=[_PHOTO, across]) if alone else [figure.subplots()]
    if alone:
        _places(axes[0], found, _photo_inches(figure, found, across))
    _panel(axes[-1], found, grid)
    drawing.heading(figure, found.summary())
    return figure


def _filling(
    found: Projections, figure: drawing.Canvas, room: tuple[float, float]
) -> drawing.Canvas:
    """Draw the tiles of one photo as large as a room in inches, such as a slide, lets them be."""
    height, width = _grid(found)[1].side
    shared = beside_photo(
        found.activations.size,
        room,
        tile=height / width,
        label=_LABEL,
        photo=found.photos.shape[1] / found.photos.shape[2],
        key=_LONG_KEY,
        least=_PHOTO,
    )
    _, grid = _grid(found, shared.tiles, shared.columns)
    axes = figure.subplots(1, 2, width_ratios=shared.ratios)
    _places(axes[0], found, shared.photo)
    _panel(axes[1], found, grid)
    drawing.heading(figure, found.summary())
    return figure


def _in_a_column(found: Projections, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw the tiles as wide as a column, as many in a row as leave room for their labels."""
    alone = len(found.images) == 1
    across = drawing.width_of(figure) - _SIDES
    most = max(1, int(across / (_LETTER * _longest_line(found) + _BETWEEN)))
    _, grid = _grid(found, across, min(most, _grid(found)[1].columns))
    heights = [across * grid.pixels.shape[0] / grid.pixels.shape[1] + _LABEL]
    if alone:
        tall = _PHOTO * found.photos.shape[1] / found.photos.shape[2]
        heights = [min(tall, _PHOTO) + _KEY, *heights]
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    drawing.ask_for_height(figure, sum(heights) + 0.5)
    if alone:
        wide = min(tall, _PHOTO) * found.photos.shape[2] / found.photos.shape[1]
        _places(panels[0], found, wide)
        panels[0].set_anchor("NW")
    _panel(panels[-1], found, grid)
    drawing.heading(figure, found.summary())
    return figure


def _longest_line(found: Projections) -> int:
    return max(len(line) for label in _labels(found) for line in label.split("\n"))


def _photo_inches(figure: drawing.Canvas, found: Projections, across: float) -> float:
    """Return how wide the photo is on a figure, which may be smaller than the picture wants."""
    height, width = found.photos.shape[1:3]
    wide = _PHOTO * drawing.width_of(figure) / (across + _PHOTO)
    high = float(figure.bbox.height / figure.dpi) - 0.5 - _KEY
    return float(min(wide, max(high, 0.5) * width / height))


def draw_panel(found: Projections, axes: Axes) -> None:
    """Draw the tiles of several images into an Axes."""
    _panel(axes, found, _grid(found)[1])


def _panel(axes: Axes, found: Projections, grid: mosaics.Mosaic) -> None:
    drawing.show(axes, grid.pixels)
    axes.set_anchor("NW")
    images = len(found.images)
    groups = grid.columns // images if images > 1 else 1
    photos = [""] * grid.columns if in_place(found) and images > 1 else []
    labels = _arranged(found, _labels(found), groups, "") if images > 1 else _labels(found)
    mosaics.label_tiles(axes, grid, photos + labels, 7.0)
    if images > 1:
        _name_columns(axes, grid, found, groups)


def _grid(
    found: Projections, across: float = 0.0, columns: int = 0
) -> tuple[float, mosaics.Mosaic]:
    """Return how many inches wide the tiles are drawn, and the tiles.

    Both are chosen unless they are given: a width in inches, and so many tiles of a photo in a row.
    """
    large = in_place(found)
    tile = _on_photo if large else _pair
    tiles = [tile(found, *each) for each in np.ndindex(found.activations.shape)]
    height, width = tiles[0].shape[:2]
    alone = len(found.images) == 1
    if alone:
        columns = columns or mosaics.columns_for(len(tiles), height / width, wide=2.2)
    else:
        groups = 1 if across else _groups(found, height / width)
        columns = groups * len(found.images)
        tiles = _arranged(found, tiles, groups, np.full_like(tiles[0], 255))
        whole = [_sized(photo, _LEAST_PHOTO) for photo in found.photos] if large else []
        tiles = [np.asarray(upwards(each, found.axis_names)) for each in whole] * groups + tiles
    if not across and alone:
        across = min(8.2, 4.1 * columns) if large else 8.2
    elif not across:
        across = min(_WIDEST, max(6.0, (1.8 if large else 2.4) * columns))
    room = round(_LABEL * columns / across * width)
    return across, mosaics.mosaic(np.stack(tiles), columns=columns, side=1, gap=10, labels=room)


def _groups(found: Projections, ratio: float) -> int:
    """Return in how many groups side by side the channels stand, a row for each, of several images.

    As many as make a screen of what would be a tower, as far as tiles stay large enough; `ratio`
    is the height of a tile over its width.
    """
    large, images = in_place(found), len(found.images)
    inches = 1.8 if large else 2.4
    tall = ratio + _LABEL / inches

    def shape(groups: int) -> float:
        rows = -(-len(found.channels) // groups) + large
        return groups * images / (rows * tall)

    most = max(1, int(_WIDEST / ((1.3 if large else 1.7) * images)))
    counts = range(1, min(most, len(found.channels)) + 1)
    return min(counts, key=lambda groups: abs(math.log(shape(groups) / _SHAPE)))


def _arranged(found: Projections, items: list[_T], groups: int, blank: _T) -> list[_T]:
    """Return what is there of each channel and image in the order of the places on the grid."""
    images = len(found.images)
    rows = [items[first : first + images] for first in range(0, len(items), images)]
    deep = -(-len(rows) // groups)
    rows += [[blank] * images for _ in range(deep * groups - len(rows))]
    return [
        item for row in range(deep) for group in range(groups) for item in rows[group * deep + row]
    ]


def reach_of(signal: NDArray[np.float32]) -> float:
    """Return the size at which the greys and colours of a signal end."""
    size = np.abs(signal)
    return float(np.percentile(size, REACH)) or float(size.max())


def paint(signal: NDArray[np.float32]) -> drawing.Pixels:
    """Return a signal [C, h, w] as colours [h, w, 3] on its own scale; grey is zero.

    Of a volume [C, d, h, w] the colours are [d, h, w, 3].

    Three channels are red, green and blue, and of four the first three are; any other number is
    shown by its mean.
    """
    reach = reach_of(signal)
    shown = signal[:3] if len(signal) in (3, 4) else signal.mean(0, keepdims=True)
    # That of a signal that is not known, which is NaN, is above nothing.
    if not reach > 0.0:
        return np.full((*signal.shape[1:], 3), drawing.FLAT, np.uint8)
    level = (127.5 + 127.5 * np.clip(shown / reach, -1.0, 1.0)).round().astype(np.uint8)
    # A copy, since the caller may write to it and repeated channels share their memory.
    painted = np.broadcast_to(level, (3, *level.shape[1:]))
    return np.array(np.moveaxis(painted, 0, -1), order="C")


def _pair(found: Projections, place: int, image: int) -> drawing.Pixels:
    """Return a patch and its projection side by side; both end where the photo ends."""
    window = found.windows[place][image]
    inside = cut([np.ones(found.photos.shape[1:3], bool)], [window], fill=False)[0]
    signal = paint(found.signals[place, image])
    signal[~inside] = drawing.FLAT
    patch = _sized(found.patches[place, image])
    seam = np.full((patch.shape[0], _SEAM, 3), 255, np.uint8)
    pair = np.concatenate([patch, seam, _sized(signal)], axis=1)
    return np.asarray(upwards(pair, found.axis_names))


def in_place(found: Projections) -> bool:
    """Return whether windows are so large that projections are drawn on the whole photo."""
    high, wide = found.windows[0][0].sizes
    height, width = found.photos.shape[1:3]
    return bool(max(high / height, wide / width) > _MOST_CUT)


def told_beyond(found: Projections) -> str:
    """Say what is light grey, where a patch of a photo reaches beyond it."""
    if found.space != IMAGE:
        return ""
    size = found.photos.shape[1:3]
    beyond = any(
        (span.start, span.stop) != (0, length)
        for window in (window for row in found.windows for window in row)
        for span, length in zip(overlap(window, size)[1], window.sizes, strict=True)
    )
    return " What is light grey lies beyond the image." if beyond else ""


def _on_photo(found: Projections, place: int, image: int) -> drawing.Pixels:
    """Return a projection in its place on the photo, which is dimmed outside the framed window."""
    photo, window = found.photos[image], found.windows[place][image]
    dimmed = photo * (1.0 - _DIMMED) + _DIMMED * np.array(drawing.FLAT)
    tile = dimmed.round().astype(np.uint8)
    inside, there = overlap(window, photo.shape[:2])
    tile[inside] = paint(found.signals[place, image])[there]
    tile = _sized(tile, _LEAST_PHOTO)
    if window.sizes != photo.shape[:2]:
        _outline(tile, inside, tile.shape[0] / photo.shape[0])
    return np.asarray(upwards(tile, found.axis_names))


def _outline(tile: drawing.Pixels, inside: tuple[slice, ...], scale: float) -> None:
    """Frame rows and columns of the photo in a tile so many times as large, on their outside."""
    (top, bottom), (left, right) = (
        (round(scale * span.start), round(scale * span.stop)) for span in inside
    )
    framed = np.zeros(tile.shape[:2], bool)
    framed[max(top - _LINE, 0) : bottom + _LINE, max(left - _LINE, 0) : right + _LINE] = True
    framed[top:bottom, left:right] = False
    tile[framed] = _FRAME


def _sized(tile: drawing.Pixels, least: int = _LEAST) -> drawing.Pixels:
    factor = max(1, -(-least // max(tile.shape[0], tile.shape[1])))
    return drawing.fit(tile.repeat(factor, 0).repeat(factor, 1), _LONGEST)


def _labels(found: Projections) -> list[str]:
    labels = []
    every = list(np.ndindex(found.activations.shape))
    values = beside_each_other(float(found.activations[each]) for each in every)
    reaches = beside_each_other(reach_of(found.signals[each]) for each in every)
    for each, value, reach in zip(every, values, reaches, strict=True):
        channel = f"{found.channels[each[0]]}:  {value}"
        sent = f"±{reach}" if found.active[each] else "not active"
        labels.append(f"{channel}\n{'constant; ' if found.constant[each] else ''}{sent}")
    return labels


def _name_columns(axes: Axes, grid: mosaics.Mosaic, found: Projections, groups: int) -> None:
    """Write the name of an image above each column, and part the groups by a line."""
    for name, (left, top) in zip(found.images * groups, grid.corners, strict=False):
        short = shortened(name, 24)
        axes.text(left, top - 4, short, fontsize=7.0, color=drawing.INK, va="bottom", ha="left")
    for group in range(1, groups):
        left = grid.corners[group * len(found.images)][0] - 5
        axes.axvline(left, color=drawing.QUIET, lw=0.8)


def _places(axes: Axes, found: Projections, inches: float) -> None:
    """Show the photo with the channels where they are strongest, framed by their windows."""
    photo = found.photos[0]
    height, width = photo.shape[:2]
    axes.imshow(photo, extent=(0, width, height, 0))
    drawing.hide_ticks(axes)
    axes.set_anchor("N")
    axes.set_xlim(0, width)
    axes.set_ylim(*((0, height) if found.axis_names else (height, 0)))
    said = "what the network saw"
    active = np.flatnonzero(found.active[:, 0])
    if in_place(found):
        framed = found.windows[0][0].sizes != (height, width)
        said += "\n\nright: what each channel sent back" + ",\nframed: what it sees" * framed
    elif len(active):
        said += ", and where\nthe channels are strongest"
        if len(active) > _MOST_PLACES:
            said += f"\n(the first {_MOST_PLACES} of {len(active)})"
        for window in {found.windows[place][0] for place in active[:_MOST_PLACES]}:
            (high, wide) = window.sizes
            if max(high / height, wide / width) <= _MOST_FRAMED:
                _frame(axes, window)
        for middle, channels in _near(found, active[:_MOST_PLACES], 0.1 * width):
            _name_place(axes, middle, channels, (height, width), inches)
    each = "each" if in_place(found) else "each pair"
    said += f"\n\nbelow {each}: the channel, its value,\nand after ± where the colours end"
    axes.set_xlabel(said, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")


def _name_place(
    axes: Axes,
    middle: tuple[float, float],
    channels: list[int],
    size: tuple[int, int],
    inches: float,
) -> None:
    """Write channels at a place, inside the photo also where they are strongest at its edge."""
    from matplotlib.patheffects import withStroke

    label = first_few(channels, 2)
    height, width = size
    half = 0.5 * _LETTER * len(label) / inches * width
    left, right = middle[0] < half, middle[0] > width - half
    axes.text(
        0 if left else width if right else middle[0],
        min(max(middle[1], 0), height),
        label,
        fontsize=7.0,
        color=drawing.INK,
        ha="left" if left else "right" if right else "center",
        va="center",
        path_effects=[withStroke(linewidth=2.0, foreground="white")],
    )


def _near(
    found: Projections, places: NDArray[np.intp], distance: float
) -> list[tuple[tuple[float, float], list[int]]]:
    """Return the middles of windows with their channels, those that lie close under the first."""
    groups: list[tuple[tuple[float, float], list[int]]] = []
    for place in places:
        window = found.windows[place][0]
        (top, left), (bottom, right) = window.starts, window.ends
        middle = (left + right) / 2, (top + bottom) / 2
        for other, channels in groups:
            if max(abs(middle[0] - other[0]), abs(middle[1] - other[1])) < distance:
                channels.append(found.channels[place])
                break
        else:
            groups.append((middle, [found.channels[place]]))
    return groups


def _frame(axes: Axes, window: Box) -> None:
    from matplotlib.patches import Rectangle

    corner, sides = (window.left, window.top), (window.width, window.height)
    for colour, line in (("white", 1.8), (drawing.ACCENT, 0.9)):
        axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=colour, linewidth=line))
