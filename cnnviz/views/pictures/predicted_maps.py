"""Maps of the most probable class beside the images that they are of, and bars in their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import drawing
from cnnviz.results.text import percent, plural, shortened
from cnnviz.views.pictures.predictions import draw_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.predicted_maps import PredictedMaps

_SIDE, _BARS = 2.7, 4.4
"""Inches of an image and of its map, and of the bars beside them."""
HEIGHT = 3.2
"""Inches of an image with its title."""
_COLOURS = (
    "#2a6fdb", "#e08a1e", "#2f8f5b", "#c2407f", "#8a4fbf", "#b8c11f", "#0f8b9d", "#8c5a3c",
    "#e8a6c3", "#7fb4f0", "#a3d39c", "#1c2430", "#c8301e", "#d9c27a", "#5a3d8a", "#4fd0c0",
)  # fmt: skip
"""Those of the classes in the order in which they are found; grey is what has none."""
_GREY = f"#{bytes(drawing.FLAT).hex()}"
_SWATCH, _PAD = 0.03, 13.0
"""Where the colour of a bar stands left of its axis, and points that its name is away for it."""
_ROWS = 5
"""Room for so many bars, of which there may be fewer: they are no thicker then."""
_LETTERS, _FEW_LETTERS = 30, 18
"""Letters of the name of a class, and in a column of a paper."""
_HALF_LETTERS = 4.8
"""How many letters above half a figure there are for an inch of it."""


def draw(found: PredictedMaps, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the images one below the other, each with its map and its bars on the right."""
    count = len(found.images)
    wide = (_SIDE, _SIDE, _BARS)
    if into is not None and drawing.too_narrow(into, sum(wide)):
        return _in_a_column(found, into)
    figure = drawing.canvas(sum(wide), HEIGHT * count, into)
    panels = figure.subplots(count, 3, squeeze=False, width_ratios=wide)
    for place, (photo, answer, bars) in enumerate(panels):
        _image(photo, found, place)
        _map(answer, found, place)
        _bars(bars, found, place, _LETTERS)
    return figure


def _in_a_column(found: PredictedMaps, figure: drawing.Canvas) -> drawing.Canvas:
    """Draw the bars of each image below it and its map."""
    count, across = len(found.images), drawing.width_of(figure)
    heights = [across / 2 + 0.4, 0.28 * (found.classes.shape[1] + 1) + 0.5] * count
    # Parts of their own, so that the names of classes take no room beside the images.
    parts = figure.subfigures(2 * count, 1, height_ratios=heights, squeeze=False)[:, 0]
    drawing.ask_for_height(figure, sum(heights))
    for place, (above, below) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        photo, answer = above.subplots(1, 2)
        _image(photo, found, place, int(_HALF_LETTERS * across))
        _map(answer, found, place)
        _bars(below.subplots(), found, place, _FEW_LETTERS)
    return figure


def draw_alone(axes: Axes, found: PredictedMaps) -> None:
    """Draw the map of the one image with a legend in place of bars."""
    from matplotlib.patches import Patch

    _map(axes, found, 0)
    names, values, colours = _classes(found, 0, _LETTERS)
    entries = [
        Patch(facecolor=colour, label=f"{name} {percent(value)}")
        for name, value, colour in zip(names, values, colours, strict=True)
    ]
    axes.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(0.0, -0.01), frameon=False,
        fontsize=drawing.SMALL_SIZE,
    )  # fmt: skip


def _image(axes: Axes, found: PredictedMaps, place: int, letters: int = 36) -> None:
    if found.thumbnails:
        drawing.show(axes, found.thumbnails[place], smooth=True)
    axes.set_anchor("N")
    axes.set_title(
        shortened(found.images[place], letters), loc="left", fontsize=drawing.TEXT_SIZE,
        color=drawing.INK,
    )  # fmt: skip


def _map(axes: Axes, found: PredictedMaps, place: int) -> None:
    """Show the map as large as the image, whose positions it stands for."""
    painted = _painted(found, place)
    height, width = found.thumbnails[place].shape[:2] if found.thumbnails else painted.shape[:2]
    axes.imshow(drawing.opaque(painted), interpolation="nearest", extent=(0, width, height, 0))
    drawing.hide_ticks(axes)
    axes.set_anchor("N")
    axes.set_title("most probable class", loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def _painted(found: PredictedMaps, place: int) -> drawing.Pixels:
    """Return the map in colours, [h, w, 3]; grey where a class has none."""
    from matplotlib.colors import to_rgb

    painted = np.empty((*found.maps[place].shape, 3), np.uint8)
    painted[:] = drawing.FLAT
    own = found.classes[place, : found.drawn(place)]
    for index in own:
        colour = np.round(255.0 * np.array(to_rgb(_colour(found, int(index)))))
        painted[found.maps[place] == index] = colour.astype(np.uint8)
    return painted


def _colour(found: PredictedMaps, index: int) -> str:
    """Return the colour of a class, which is the same in all images of a picture."""
    order = [int(one) for one in found.classes[found.logits > 0.0]]
    place = list(dict.fromkeys(order)).index(index)
    return _COLOURS[place] if place < len(_COLOURS) else _GREY


def _classes(
    found: PredictedMaps, place: int, letters: int
) -> tuple[list[str], list[float], list[str]]:
    """Return names, shares and colours of the classes of a map, and of all others together."""
    count = found.drawn(place)
    values = [float(value) for value in found.logits[place, :count]]
    names = [shortened(name, letters, "end") for name in found.names[place][:count]]
    colours = [_colour(found, int(index)) for index in found.classes[place, :count]]
    others = found.present(place) - count
    if others:
        names.append(plural(others, "other class", "other classes"))
        values.append(1.0 - sum(values))
        colours.append(_GREY)
    return names, values, colours


def _bars(axes: Axes, found: PredictedMaps, place: int, letters: int) -> None:
    names, values, colours = _classes(found, place, letters)
    draw_bars(
        axes, np.array(values), names, [percent(value) for value in values], colours,
        axis="share of the map",
    )  # fmt: skip
    # Of a class of few positions the bar alone is too thin to show its colour.
    axes.scatter(
        [-_SWATCH] * len(names), range(len(names)), c=colours, marker="s", s=42.0, clip_on=False
    )
    axes.set_ylim(max(len(names), _ROWS) - 0.5, -0.5)
    axes.tick_params(axis="y", pad=_PAD)
