"""Draws evidence over signals and volumes: a coloured band along a trace, a montage of slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.results import colour_bars, drawing, mosaics, traces
from cnnviz.results.array_pictures import (
    portrait,
    shown_slices,
    slice_grid,
    slices,
    spread_slices,
)
from cnnviz.results.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.heatmaps.heatmap import Heatmap

_ACROSS = 10.4
_LETTERS = 120
_TRACE_HEIGHT = 1.5
_BAND_HEIGHT = 0.52
_LABEL = 16
"""Pixels of a montage below each slice, for its number."""


def draw(found: Heatmap, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw each input with its maps below it."""
    signals = found.inputs[0].ndim == 2
    ratios, rows = [], 1 + len(found.layers)
    for image in range(len(found.inputs)):
        ratios += (
            [_TRACE_HEIGHT, *[_BAND_HEIGHT] * len(found.layers)]
            if signals
            else [_montage_height(found, image)] * rows
        )
    figure = drawing.canvas(_ACROSS + 0.9, sum(ratios) + 0.9 + 0.25 * len(ratios), into)
    panels = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for image in range(len(found.inputs)):
        own = panels[image * rows : (image + 1) * rows]
        _title(own[0], f"{found.images[image]}: {found.targets[image]}")
        if signals:
            _draw_signal(found, image, own)
        else:
            _draw_volume(found, image, own)
    # Beside an input and all maps of it, which is as high as its label.
    colour_bars.bar_of_panels(list(panels[:rows]), *found.key(), fraction=0.04, pad=0.02, aspect=28)
    drawing.heading(figure, found.summary())
    return figure


def _draw_signal(found: Heatmap, image: int, panels: NDArray[np.object_]) -> None:
    traces.draw_signal(panels[0], found.inputs[image])
    last = found.layers[-1]
    traces.tint(panels[0], found.on_photo(image, last), found.scale(image, last))
    panels[0].tick_params(labelbottom=False)
    for layer, axes in zip(found.layers, panels[1:], strict=True):
        traces.band(axes, found.on_photo(image, layer), found.scale(image, layer))
        _title(axes, found.said_of_map(image, layer))
        axes.tick_params(labelbottom=layer == last)
    panels[-1].set_xlabel("samples", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)


def _draw_volume(found: Heatmap, image: int, panels: NDArray[np.object_]) -> None:
    pictures, shown = slices(found.inputs[image]), shown_of(found, image)
    noun = found.slice_noun
    _show_slices(panels[0], pictures[list(shown)], shown, noun)
    for layer, axes in zip(found.layers, panels[1:], strict=True):
        overlaid = overlays(found, image, layer)
        _show_slices(axes, overlaid, shown, noun)
        some = shown_slices(shown, len(pictures), noun)
        _title(axes, "; ".join(filter(None, (found.said_of_map(image, layer), some))))


def _show_slices(axes: Axes, pictures: drawing.Pixels, shown: tuple[int, ...], noun: str) -> None:
    grid = slice_grid(pictures, labels=_LABEL)
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    mosaics.label_tiles(axes, grid, [f"{noun} {at}" for at in shown])


def shown_of(found: Heatmap, image: int) -> tuple[int, ...]:
    """Return which slices of a volume are drawn."""
    return spread_slices(found.inputs[image].shape[1])


def overlays(found: Heatmap, image: int, layer: str | None) -> drawing.Pixels:
    """Return the slices that are drawn with the map over them, [K, H, W, 3]."""
    pictures, heat = slices(found.inputs[image]), found.on_photo(image, layer)
    scale = found.scale(image, layer)
    return np.stack(
        [drawing.overlay(pictures[at], heat[at], scale) for at in shown_of(found, image)]
    )


def _montage_height(found: Heatmap, image: int) -> float:
    pictures = slices(found.inputs[image])[list(shown_of(found, image))]
    height, width = slice_grid(pictures, labels=_LABEL).pixels.shape[:2]
    return float(min(9.0, max(0.9, 0.94 * _ACROSS * height / width)))


def _title(axes: Axes, text: str) -> None:
    line = shortened(text, _LETTERS)
    axes.set_title(line, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")


def picture(found: Heatmap, image: int, layer: str | None, longest: int) -> NDArray[np.uint8]:
    """Return a small picture of an input with a map over it, at most `longest` pixels a side."""
    if found.inputs[image].ndim > 2:
        return drawing.fit(slice_grid(overlays(found, image, layer)).pixels, longest)
    plain = portrait(found.inputs[image])
    height, width = plain.shape[:2]
    colours = found.scale(image, layer).paint(found.on_photo(image, layer))[None]
    wide = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    below = np.asarray(wide[: height // 5], np.uint8)
    return drawing.fit(np.concatenate([plain, below]), longest)
