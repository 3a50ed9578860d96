"""How feature visualizations are drawn: tiles with their units and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, mosaics
from cnnviz.results.text import number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.feature_visualization import FeatureVisualization

_LEAST_TILE = 128
_LEAST_WIDTH = 4.6
_LONGEST_NAME = 26


def draw(found: FeatureVisualization, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the pictures as tiles, those of a unit side by side."""
    grid = _grid(found)
    height, width = grid.pixels.shape[:2]
    across = min(11.0, 1.75 * grid.columns)
    down = min(40.0, across * height / width + 0.6)
    figure = drawing.canvas(max(_LEAST_WIDTH, across), down, into)
    _panel(figure.subplots(), found, grid)
    drawing.heading(figure, f"Feature visualization, {found.provenance.model}")
    return figure


def draw_panel(found: FeatureVisualization, axes: Axes) -> None:
    """Draw the tiles into an Axes."""
    _panel(axes, found, _grid(found))


def _grid(found: FeatureVisualization) -> mosaics.Mosaic:
    tiles = _tiles(found)
    each = found.end.shape[1]
    side = tiles[0].shape[0]
    columns = min(len(tiles), each * -(-mosaics.columns_for(len(tiles)) // each))
    return mosaics.mosaic(
        tiles, columns=columns, side=side, labels=round(0.2 * side), gap=side // 20
    )


def _panel(axes: Axes, found: FeatureVisualization, grid: mosaics.Mosaic) -> None:
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    mosaics.label_tiles(axes, grid, labels_of(found), 6.5)
    key = f"below each: the unit, and its score before → after at most {found.most_steps} steps"
    drawing.say_below(axes, key)


def pixels(picture: NDArray[np.float32]) -> drawing.Pixels:
    """Return a picture [C, H, W] as it is shown, [H, W, 3].

    One channel is shown as grey; of four the first three are shown as RGB; of two, or more than
    four, the mean over the channels is shown as grey.
    """
    values = picture if len(picture) in (3, 4) else picture.mean(0, keepdims=True).repeat(3, 0)
    shown = (values[:3] * 255.0).round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(shown.transpose(1, 2, 0))


def labels_of(found: FeatureVisualization) -> list[str]:
    """Return what stands below each picture: its unit, and its score before and after."""
    labels = []
    for unit, name in enumerate(found.units):
        for place in range(found.end.shape[1]):
            start, end = found.start[unit, place], found.end[unit, place]
            state = "  could not be woken" if found.dead[unit, place] else ""
            grew = f"{number(start)} → {number(end)}"
            labels.append(f"{shortened(name, _LONGEST_NAME, 'start')}\n{grew}{state}")
    return labels


def _tiles(found: FeatureVisualization) -> list[drawing.Pixels]:
    """Return all pictures at the size of the largest."""
    height, width = np.max([each.shape[2:] for each in found.pictures], axis=0)
    factor = max(1.0, _LEAST_TILE / max(height, width))
    size = (round(width * factor), round(height * factor))
    return [_stretched(pixels(one), size) for each in found.pictures for one in each]


def _stretched(tile: drawing.Pixels, size: tuple[int, int]) -> drawing.Pixels:
    if tile.shape[:2] == (size[1], size[0]):
        return tile
    return np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_CUBIC), np.uint8)
