"""Draws the maps of several methods over one signal, as bands, or one volume, as rows of slices."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.heatmaps import map_words
from cnnviz.heatmaps.array_heatmaps import SPECTROGRAM_HEIGHT, draw_spectrogram, overlaid
from cnnviz.results import colour_bars, drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, slice_grid, slices, spread_slices
from cnnviz.results.spectra import has_spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.heatmaps.heatmap import Heatmap
    from cnnviz.views.explanations import Explanations

_ACROSS = 10.4
_LETTERS = 165
_MOST_SLICES = 8
_LABEL = 14
_LINE = 0.17
"""Inches of a line above a map."""


def draw(found: Explanations, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the input above the maps, one below the other, each with its checks above it."""
    first = found.heatmaps[0]
    said = [_said(found, place) for place in range(len(found.heatmaps))]
    signals = found.space.axes == 1
    rate = first.rates[0] if first.rates else None
    each = 0.42 if signals else _row_height(first)
    heard = signals and has_spectrogram(first.inputs[0].shape[-1], rate)
    below = [SPECTROGRAM_HEIGHT] if heard else []
    tall = [1.5 if signals else each, *[each] * len(said), *below]
    title = found.summary()
    above = _LINE * sum(1 + len(lines) for lines, _ in said)
    room = 0.8 + _LINE * len(below) + above + drawing.heading_height(title, _ACROSS + 0.9)
    figure = drawing.canvas(_ACROSS + 0.9, sum(tall) + room, into)
    panels = figure.subplots(len(tall), 1, squeeze=False, height_ratios=tall)[:, 0]
    if signals:
        traces.draw_signal(panels[0], first.inputs[0])
    else:
        _show(panels[0], first, slices(first.inputs[0])[list(_shown(first))])
    _title(panels[0], _input_said(found), drawing.INK)
    for place, axes in enumerate(panels[1 : 1 + len(said)]):
        held, (lines, failed) = found.heatmaps[place], said[place]
        layer = held.layers[-1]
        if signals:
            traces.band(axes, held.on_photo(0, layer), held.scale(0, layer))
            axes.tick_params(labelbottom=axes is panels[-1])
        else:
            _show(axes, held, overlaid(held, 0, layer, _shown(held)))
        _title(axes, "\n".join(lines), drawing.WARM if failed else drawing.INK)
    if heard:
        draw_spectrogram(first, 0, panels[-1])
    if signals:
        panels[0].tick_params(labelbottom=False)
        for axes in panels:
            traces.time_axis(axes, rate, label=axes is panels[-1])
    scale = drawing.Scale(0.0, 1.0, drawing.HEAT)
    label = "evidence for the target (1: the end of each map's scale)"
    maps = list(panels[: 1 + len(said)])
    colour_bars.bar_of_panels(maps, scale, label, fraction=0.04, pad=0.02, aspect=36)
    drawing.heading(figure, title)
    return figure


def _said(found: Explanations, place: int) -> tuple[list[str], bool]:
    """Return what stands above a map, and whether it failed a check."""
    held = found.heatmaps[place]
    lines, failed = found.check_lines(place) if found.checks else ([], False)
    layer = held.layers[-1]
    head, mark = f"{held.title}, {held.said_of_map(0, layer)}", map_words.mark(held, 0, layer)
    said = [head, *([mark] if mark else []), *lines]
    return textwrap.wrap("; ".join(said), _LETTERS), failed or bool(mark)


def _input_said(found: Explanations) -> str:
    held = found.heatmaps[0]
    if found.space.axes == 1:
        return "what the network saw"
    some = shown_slices(_shown(held), held.inputs[0].shape[1], held.slice_noun)
    return "what the network saw" + (f"; drawn are {some}" if some else "")


def _title(axes: Axes, text: str, ink: str) -> None:
    axes.set_title(text, fontsize=drawing.SMALL_SIZE, color=ink, loc="left")


def _shown(held: Heatmap) -> tuple[int, ...]:
    return spread_slices(held.inputs[0].shape[1], _MOST_SLICES)


def _show(axes: Axes, held: Heatmap, pictures: drawing.Pixels) -> None:
    grid = slice_grid(pictures, labels=_LABEL)
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    mosaics.label_tiles(axes, grid, [f"{held.slice_noun} {at}" for at in _shown(held)])


def _row_height(held: Heatmap) -> float:
    grid = slice_grid(slices(held.inputs[0])[list(_shown(held))], labels=_LABEL)
    height, width = grid.pixels.shape[:2]
    return float(np.clip(0.94 * _ACROSS * height / width, 0.7, 2.6))
