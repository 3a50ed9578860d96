"""Draws evidence over signals and volumes: a coloured band along a trace, a montage of slices."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.heatmaps import map_words
from cnnviz.results import colour_bars, drawing, mosaics, traces
from cnnviz.results.array_pictures import (
    portrait,
    shown_slices,
    slice_grid,
    slices,
    spread_slices,
)
from cnnviz.results.spectra import has_spectrogram, spectrogram
from cnnviz.results.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.heatmaps.heatmap import Heatmap

_ACROSS = 10.4
_LETTERS = 120
_TRACE_HEIGHT = 1.5
_BAND_HEIGHT = 0.52
SPECTROGRAM_HEIGHT = 1.7
"""Inches of a spectrogram."""
_LETTERS_OF_BAR = 17
"""How many letters of the label of a colour bar fit into an inch."""
_DARKER = 0.5
"""How bright slices are below a map, beside how they are without one."""
_BAND_SHARE = 5
"""How many times higher a small trace is than the band of evidence below it."""
_LABEL = 16
"""Pixels of a montage below each slice, for its number."""


def draw(found: Heatmap, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw each input with its maps below it, and the spectrogram of a signal below these."""
    count = len(found.inputs)
    heights = [_heights(found, image) for image in range(count)]
    ratios = [height for each in heights for height in each]
    figure = drawing.canvas(_ACROSS + 0.9, sum(ratios) + 0.9 + 0.25 * len(ratios), into)
    panels = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    first = 0
    for image in range(count):
        own = panels[first : first + len(heights[image])]
        first += len(own)
        _title(own[0], f"{found.images[image]}: {found.targets[image]}")
        if found.inputs[image].ndim == 2:
            _draw_signal(found, image, own)
        else:
            _draw_volume(found, image, own)
    # Beside an input and all maps of it, which is about as high as its label.
    rows = 1 + len(found.layers)
    scale, label = found.key()
    letters = round(_LETTERS_OF_BAR * (sum(ratios[:rows]) + 0.25 * (rows - 1)))
    label = "\n".join(textwrap.wrap(label, max(24, letters)))
    colour_bars.bar_of_panels(list(panels[:rows]), scale, label, fraction=0.04, pad=0.02, aspect=28)
    drawing.heading(figure, found.summary())
    return figure


def _heights(found: Heatmap, image: int) -> list[float]:
    """Return the heights of the panels of one input."""
    layers = len(found.layers)
    if found.inputs[image].ndim > 2:
        return [_montage_height(found, image)] * (1 + layers)
    below = [SPECTROGRAM_HEIGHT] if _has_spectrogram(found, image) else []
    return [_TRACE_HEIGHT, *[_BAND_HEIGHT] * layers, *below]


def _rate(found: Heatmap, image: int) -> float | None:
    return found.rates[image] if found.rates else None


def _has_spectrogram(found: Heatmap, image: int) -> bool:
    return has_spectrogram(found.inputs[image].shape[-1], _rate(found, image))


def spectrograms_told(found: Heatmap) -> str:
    """Say how the spectrograms were made, where there are any."""
    if found.space.axes != 1:
        return ""
    told = {}
    for image, values in enumerate(found.inputs):
        rate = _rate(found, image)
        if rate is not None and has_spectrogram(values.shape[-1], rate):
            told[spectrogram(values, rate).told()] = len(values)
    return "".join(
        f" Below, the spectrogram of the signal: {how}"
        + (f", the power averaged over {channels} channels." if channels > 1 else ".")
        for how, channels in told.items()
    )


def darker_told(found: Heatmap) -> str:
    """Say that slices are darker below their map, where there are any."""
    return f" Below a map {found.slice_noun}s are darkened." if found.space.axes > 2 else ""


def _draw_signal(found: Heatmap, image: int, panels: NDArray[np.object_]) -> None:
    traces.draw_signal(panels[0], found.inputs[image])
    last, rate = found.layers[-1], _rate(found, image)
    traces.tint(panels[0], found.on_photo(image, last), found.scale(image, last))
    panels[0].tick_params(labelbottom=False)
    for layer, axes in zip(found.layers, panels[1:], strict=False):
        traces.band(axes, found.on_photo(image, layer), found.scale(image, layer))
        _title(axes, found.said_of_map(image, layer), map_words.mark(found, image, layer))
        axes.tick_params(labelbottom=axes is panels[-1])
    if _has_spectrogram(found, image):
        draw_spectrogram(found, image, panels[-1])
    for axes in panels:
        traces.time_axis(axes, rate, label=axes is panels[-1])


def draw_spectrogram(found: Heatmap, image: int, axes: Axes) -> None:
    """Draw the spectrogram of a signal that `has_spectrogram`, with its colour bar beside it."""
    rate = _rate(found, image)
    assert rate is not None
    shown = spectrogram(found.inputs[image], rate)
    traces.draw_spectrogram(axes, shown, found.inputs[image].shape[-1])
    _title(axes, f"spectrogram{', of silence' if shown.silent else ''}")
    label = "dB, 0 at the loudest"
    colour_bars.bar_of_panels(
        axes, traces.spectrogram_scale(), label, fraction=0.04, pad=0.02, aspect=14
    )


def _draw_volume(found: Heatmap, image: int, panels: NDArray[np.object_]) -> None:
    pictures, shown = slices(found.inputs[image]), shown_of(found, image)
    noun = found.slice_noun
    _show_slices(panels[0], pictures[list(shown)], shown, noun)
    for layer, axes in zip(found.layers, panels[1:], strict=True):
        overlaid = overlays(found, image, layer)
        _show_slices(axes, overlaid, shown, noun)
        some = shown_slices(shown, len(pictures), noun)
        said = "; ".join(filter(None, (found.said_of_map(image, layer), some)))
        _title(axes, said, map_words.mark(found, image, layer))


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
    return overlaid(found, image, layer, shown_of(found, image))


def overlaid(
    found: Heatmap, image: int, layer: str | None, shown: tuple[int, ...]
) -> drawing.Pixels:
    """Return some slices with the map over them, and darker below it."""
    # A bright body in a dark volume would outshine the colours that lie on it.
    pictures = (slices(found.inputs[image]) * _DARKER).astype(np.uint8)
    heat, scale = found.on_photo(image, layer), found.scale(image, layer)
    return np.stack([drawing.overlay(pictures[at], heat[at], scale) for at in shown])


def _montage_height(found: Heatmap, image: int) -> float:
    pictures = slices(found.inputs[image])[list(shown_of(found, image))]
    height, width = slice_grid(pictures, labels=_LABEL).pixels.shape[:2]
    return float(min(9.0, max(0.9, 0.94 * _ACROSS * height / width)))


def _title(axes: Axes, text: str, mark: str = "") -> None:
    line = shortened(f"{mark}; {text}" if mark else text, _LETTERS)
    ink = drawing.WARM if mark else drawing.INK
    axes.set_title(line, fontsize=drawing.SMALL_SIZE, color=ink, loc="left")


def plain_picture(found: Heatmap, image: int, longest: int) -> NDArray[np.uint8]:
    """Return a small picture of an input without a map, of the size that `picture` has."""
    values = found.inputs[image]
    if values.ndim > 2:
        shown = slices(values)[list(shown_of(found, image))]
        return drawing.fit(slice_grid(shown).pixels, longest)
    plain = portrait(values)
    room = np.full((plain.shape[0] // _BAND_SHARE, *plain.shape[1:]), 255, np.uint8)
    return drawing.fit(np.concatenate([plain, room]), longest)


def picture(found: Heatmap, image: int, layer: str | None, longest: int) -> NDArray[np.uint8]:
    """Return a small picture of an input with a map over it, at most `longest` pixels a side."""
    if found.inputs[image].ndim > 2:
        return drawing.fit(slice_grid(overlays(found, image, layer)).pixels, longest)
    plain = portrait(found.inputs[image])
    height, width = plain.shape[:2]
    colours = found.scale(image, layer).paint(found.on_photo(image, layer))[None]
    wide = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    below = np.asarray(wide[: height // _BAND_SHARE], np.uint8)
    return drawing.fit(np.concatenate([plain, below]), longest)
