"""Draws the kernels of convolutions along signals, as traces, and over volumes, slice by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnviz.results import colour_bars, drawing, mosaics, traces
from cnnviz.results.spectra import FrequencyResponse, frequency_unit
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures.filters import draw_norms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.filters import FilterGrid

_ACROSS = 10.0
_MOST_LINES = 4
"""Up to how many input channels a kernel along a signal is drawn as lines; more are rows."""
_MOST_VOLUME_CHANNELS = 6
_SIDE = 30
_RESPONSE, _RESPONSE_ROW = 0.5, 0.14
"""Inches of the responses, and for each filter."""
_RESPONSE_FLOOR = -40.0
"""Where the colours of a response end, in decibels below its greatest."""
_MOST_ABREAST = 18
"""Up to how many slices stand in a row."""


def how(found: FilterGrid) -> str:
    """Say how the kernels are drawn and scaled."""
    depth = found.kernels.shape[1]
    if found.space.axes == 1 and depth <= _MOST_LINES:
        lines = "a line for each input channel" if depth > 1 else "a line"
        colours = array_patches.colours_told(depth)
        size = found.kernels.shape[2]
        return f"each as {lines} over its {size} samples, on its own scale{colours}."
    if found.space.axes == 1:
        return (
            f"each as a picture with a row for each of {_channels(found)} and a column for each "
            "sample; red weights add, blue ones subtract. Each has its own scale."
        )
    slices = f"its {found.kernels.shape[2]} slices side by side"
    if found.as_colour:
        return f"each with {slices} as RGB with grey as zero, on its own scale."
    return (
        f"each with, for each of {_channels(found)}, {slices}; red weights add, blue ones "
        "subtract. Each has the scale of its own largest weight."
    )


def draw(found: FilterGrid, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw the kernels, with what they let through and the distribution of their norms below."""
    if found.space.axes == 1 and found.kernels.shape[1] <= _MOST_LINES:
        columns = min(8, len(found.shown))
        down = 1.15 * -(-len(found.shown) // columns)
        figure, picture, norms = _panels(found, down, into)
        tiles = [found.kernels[channel] for channel in found.shown]
        traces.trace_tiles(picture, tiles, [found.label(one) for one in found.shown], columns)
    elif found.space.axes == 1:
        grid = _row_pictures(found)
        down = _ACROSS * grid.pixels.shape[0] / grid.pixels.shape[1]
        figure, picture, norms = _panels(found, min(14.0, max(1.4, down)), into)
        drawing.show(picture, grid.pixels)
        mosaics.label_tiles(picture, grid, [found.label(channel) for channel in found.shown])
    else:
        grid = _slices(found)
        down = _ACROSS * grid.pixels.shape[0] / grid.pixels.shape[1]
        figure, picture, norms = _panels(found, min(14.0, max(1.4, down)), into)
        drawing.show(picture, grid.pixels)
        _label_rows(picture, found, grid)
    drawing.say_below(picture, how(found))
    draw_norms(norms, found)
    drawing.heading(figure, f"{found.provenance.model}, {found.summary()}")
    return figure


def _panels(
    found: FilterGrid, down: float, into: drawing.Canvas | None
) -> tuple[drawing.Canvas, Axes, Axes]:
    """Return the panels of the kernels and of their norms; responses are drawn between them."""
    response = found.response
    if response is None:
        figure = drawing.canvas(_ACROSS, down + 2.2, into)
        picture, norms = figure.subplots(2, 1, height_ratios=[down, 1.3])
        return figure, picture, norms
    tall = _RESPONSE + _RESPONSE_ROW * len(found.shown)
    figure = drawing.canvas(_ACROSS, down + tall + 2.8, into)
    picture, middle, norms = figure.subplots(3, 1, height_ratios=[down, tall, 1.3])
    _draw_response(middle, found, response)
    return figure, picture, norms


def _draw_response(axes: Axes, found: FilterGrid, response: FrequencyResponse) -> None:
    """Draw what each filter lets through, a row each, the lowest frequencies first from below."""
    shown = np.array(found.shown)
    order = shown[np.argsort(response.peaks[shown], kind="stable")]
    scale = drawing.Scale(_RESPONSE_FLOOR, 0.0, drawing.SEQUENTIAL)
    pixels = scale.paint(np.maximum(response.decibels[order], _RESPONSE_FLOOR))
    pixels[found.dead[order]] = drawing.FLAT
    last = float(response.frequencies[-1])
    axes.imshow(
        pixels,
        origin="lower",
        extent=(0.0, last, -0.5, len(order) - 0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_yticks(range(len(order)), [found.label(int(channel)) for channel in order])
    drawing.plain_axes(axes)
    axes.tick_params(axis="y", labelsize=6.5 if len(order) > 12 else drawing.SMALL_SIZE, length=0)
    axes.set_ylabel("filter", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    unit = frequency_unit(found.rate)
    axes.set_xlabel(f"{unit}, up to half the sampling rate", fontsize=7.5, color=drawing.QUIET)
    axes.set_title(
        "frequency response, by the frequency that is let through best",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.INK,
        loc="left",
    )
    colour_bars.bar_of_panels(
        axes, scale, "dB, 0 at its greatest", fraction=0.04, pad=0.02, aspect=14
    )


def response_told(found: FilterGrid) -> str:
    """Say what the responses are; nothing where there are none."""
    if found.response is None:
        return ""
    channels = found.kernels.shape[1]
    summed = ", the root of the summed squares over its channels" if channels > 1 else ""
    return (
        " Below, the magnitude of the frequency response of each: how strongly it answers to a "
        f"wave of each frequency{summed}, in {frequency_unit(found.rate)} and in decibels below "
        "its greatest, the way in which learned filterbanks are read (Ravanelli and Bengio 2018). "
        "A filter with one bright band is a band-pass; a learned one without any looks like noise."
    )


def _drawn_inputs(found: FilterGrid) -> tuple[int, ...]:
    return found.inputs if found.space.axes == 1 else found.inputs[:_MOST_VOLUME_CHANNELS]


def _channels(found: FilterGrid) -> str:
    shown, depth = len(_drawn_inputs(found)), found.kernels.shape[1]
    if shown == depth:
        return f"all {depth} input channels" if depth > 1 else "the input channel"
    return f"the first {shown} of {depth} input channels"


def _row_pictures(found: FilterGrid) -> mosaics.Mosaic:
    tiles = [
        drawing.Scale.signed(found.kernels[channel]).paint(
            found.kernels[channel][list(found.inputs)]
        )
        for channel in found.shown
    ]
    return mosaics.mosaic(np.stack(tiles), side=96, labels=16)


def _slices(found: FilterGrid) -> mosaics.Mosaic:
    tiles: list[drawing.Pixels] = []
    for channel in found.shown:
        kernel = found.kernels[channel]
        if found.as_colour:
            reach = float(np.abs(kernel).max()) or 1.0
            share = 0.5 + 0.5 * kernel.transpose(1, 2, 3, 0) / reach
            tiles.extend((share * 255.0).round().astype(np.uint8))
            continue
        scale = drawing.Scale.signed(kernel)
        for one in kernel[list(_drawn_inputs(found))]:
            tiles.extend(scale.paint(part) for part in one)
    columns = _tiles_each(found) * _filters_abreast(found)
    labels = 14 if _filters_abreast(found) > 1 else 0
    return mosaics.mosaic(np.stack(tiles), columns=columns, side=_SIDE, gap=3, labels=labels)


def _tiles_each(found: FilterGrid) -> int:
    """Return how many tiles a filter over volumes takes."""
    return int(found.kernels.shape[2]) * (1 if found.as_colour else len(_drawn_inputs(found)))


def _filters_abreast(found: FilterGrid) -> int:
    return max(1, min(len(found.shown), _MOST_ABREAST // _tiles_each(found)))


def _label_rows(axes: Axes, found: FilterGrid, grid: mosaics.Mosaic) -> None:
    size, ink = drawing.SMALL_SIZE, drawing.QUIET
    if _filters_abreast(found) > 1:
        for channel, (left, top) in zip(
            found.shown, grid.corners[:: _tiles_each(found)], strict=True
        ):
            below = top + grid.side[0] + 2
            axes.text(left, below, found.label(channel), fontsize=6.5, color=ink, va="top")
        return
    for channel, (left, top) in zip(found.shown, grid.corners[:: grid.columns], strict=True):
        axes.text(
            left - 4,
            top + grid.side[0] / 2,
            found.label(channel),
            ha="right",
            va="center",
            fontsize=size,
            color=ink,
        )
    deep = found.kernels.shape[2]
    for number, (left, top) in enumerate(grid.corners[: grid.columns]):
        part, slice_number = divmod(number, deep)
        text = str(slice_number) if found.as_colour else f"{found.inputs[part]}:{slice_number}"
        middle = left + grid.side[1] / 2
        axes.text(middle, top - 4, text, ha="center", fontsize=6.0, color=ink)
