"""Draws projections to signals, as traces, and to volumes, as strips of slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, mosaics, traces
from cnnviz.results.array_pictures import slice_grid, slice_noun, slices, spread_slices
from cnnviz.results.text import first_few, number, shortened
from cnnviz.units.projection import cut
from cnnviz.views.pictures import array_patches
from cnnviz.views.pictures.deconvnet import paint, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.introspection.receptive_fields import Box
    from cnnviz.views.deconvnet import Projections

_ACROSS = 10.4
_MOST_PLACES = 16
_TALLEST = 24.0
_LABEL = 0.36
"""Inches that the label of a strip takes."""


def draw(found: Projections, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw each patch over its projection; for one input, the places in it as well."""
    drawn = _draw_signals if found.space.axes == 1 else _draw_volumes
    figure = drawn(found, into)
    drawing.heading(figure, found.summary())
    return figure


def _places(found: Projections) -> list[tuple[int, int]]:
    return [(place, image) for place, image in np.ndindex(found.activations.shape)]


def _draw_signals(found: Projections, into: drawing.Canvas | None) -> drawing.Canvas:
    alone = len(found.images) == 1
    columns = min(6, len(found.channels)) if alone else len(found.images)
    across = _ACROSS if alone else float(np.clip(2.2 * columns, _ACROSS, 16.0))
    rows = -(-len(_places(found)) // columns)
    label_lines = 3
    pairs = 0.62 * array_patches.pair_height(label_lines) * rows
    tall = [1.5 + 0.12 * min(_MOST_PLACES, len(found.channels)), pairs] if alone else [pairs]
    figure = drawing.canvas(across, min(_TALLEST, sum(tall)) + 0.9, into)
    panels = figure.subplots(len(tall), 1, height_ratios=tall, squeeze=False).ravel()
    if alone:
        _draw_places(panels[0], found)
    array_patches.signal_pairs(
        panels[-1],
        [found.patches[each] for each in _places(found)],
        [found.signals[each] for each in _places(found)],
        [_label(found, *each) for each in _places(found)],
        columns,
        label_lines,
    )
    colours = array_patches.colours_told(found.signals.shape[2])
    panels[-1].set_xlabel(
        "above: the patch; below it what the unit sends back, with zero as a faint line; each on "
        f"its own scale{colours}",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
        loc="left",
    )
    if not alone:
        _name_columns(panels[0], found)
    return figure


def _label(found: Projections, place: int, image: int) -> str:
    head = f"{found.channels[place]}:  {number(float(found.activations[place, image]))}"
    signal, length = found.signals[place, image], found.inputs[image].shape[1]
    where = array_patches.extent(found.windows[place][image], length)
    if not found.active[place, image]:
        return f"{head}\n{where}\nnot active"
    shown = array_patches.lines_of(signal)
    spans = array_patches.range_of(found.patches[place, image], shown)
    which = f", channels {', '.join(map(str, shown))}" if len(shown) < len(signal) else ""
    sent = f"{'constant; ' if found.constant[place, image] else ''}±{number(reach_of(signal))}"
    return f"{head}{which}\n{where}\n{spans};  {sent}"


def _name_columns(axes: Axes, found: Projections) -> None:
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(axes.transData, axes.transAxes)
    for place, name in enumerate(found.images):
        left = place * 1.1
        axes.text(left, 1.005, shortened(name, 24), transform=across, fontsize=7.0, va="bottom")


def _draw_places(axes: Axes, found: Projections) -> None:
    """Draw the signal, and below it the window of each unit that is active."""
    values = found.inputs[0]
    traces.draw_signal(axes, values)
    active = np.flatnonzero(found.active[:, 0])[:_MOST_PLACES]
    low, high = axes.get_ylim()
    step = 0.1 * (high - low)
    for row, place in enumerate(active):
        window = found.windows[place][0]
        ((start,), (end,)) = window.starts, window.ends
        level = low - (row + 1) * step
        axes.plot([start - 0.5, end - 0.5], [level, level], color=drawing.ACCENT, linewidth=2.2)
        axes.text(
            max(start, 0) - 0.5,
            level,
            f"{found.channels[place]} ",
            fontsize=6.5,
            color=drawing.QUIET,
            ha="right",
            va="center",
            clip_on=False,
        )
    axes.set_ylim(low - (len(active) + 1) * step, high)
    axes.set_xlim(-0.5, values.shape[1] - 0.5)
    traces.time_axis(axes, found.rates[0])
    count = int(found.active.sum())
    some = f" (the first {len(active)} of {count})" if count > len(active) else ""
    said = f"what the network saw, and below it where each channel is strongest{some}"
    axes.set_title(said, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")


def _draw_volumes(found: Projections, into: drawing.Canvas | None) -> drawing.Canvas:
    alone = len(found.images) == 1
    blocks = [_block(found, *each) for each in _places(found)]
    height, width = blocks[0].shape[:2]
    columns = len(found.images)
    if alone:
        columns = max(1, min(len(blocks), round((1.6 * len(blocks) * height / width) ** 0.5)))
    across = _ACROSS if alone else float(np.clip(3.2 * columns, _ACROSS, 16.0))
    room = round(_LABEL * columns / across * (width + 12))
    grid = mosaics.mosaic(np.stack(blocks), columns=columns, side=1, gap=12, labels=room)
    pairs = across * grid.pixels.shape[0] / grid.pixels.shape[1]
    tall = [_montage_height(found), pairs] if alone else [pairs]
    figure = drawing.canvas(across, min(_TALLEST, sum(tall)) + 0.9, into)
    panels = figure.subplots(len(tall), 1, height_ratios=tall, squeeze=False).ravel()
    if alone:
        _draw_montage(panels[0], found)
    axes = panels[-1]
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    mosaics.label_tiles(axes, grid, [_volume_label(found, *each) for each in _places(found)])
    if not alone:
        for name, (left, top) in zip(found.images, grid.corners, strict=False):
            axes.text(left, top - 4, shortened(name, 24), fontsize=7.0, va="bottom")
    axes.set_xlabel(
        "above: slices of the patch; below them what the unit sends back, on its own scale with "
        "grey as zero",
        fontsize=drawing.SMALL_SIZE,
        color=drawing.QUIET,
        loc="left",
    )
    return figure


def _block(found: Projections, place: int, image: int) -> drawing.Pixels:
    """Return the slices of a patch over those of its projection."""
    pictures, window = slices(found.inputs[image]), found.windows[place][image]
    patch = cut([pictures], [window], drawing.FLAT)[0]
    inside = cut([np.ones(pictures.shape[:3], bool)], [window], fill=False)[0]
    signal = paint(found.signals[place, image])
    signal[~inside] = drawing.FLAT
    above, below = array_patches.strip(patch), array_patches.strip(signal)
    seam = np.full((3, above.shape[1], 3), 255, np.uint8)
    return np.concatenate([above, seam, below])


def _volume_label(found: Projections, place: int, image: int) -> str:
    value = number(float(found.activations[place, image]))
    window, noun = found.windows[place][image], slice_noun(found.inputs[image])
    deep = found.inputs[image].shape[1]
    every = [at + window.starts[0] for at in array_patches.slices_of(window.sizes[0])]
    shown = [str(at) if 0 <= at < deep else "-" for at in every]
    reach = f"±{number(reach_of(found.signals[place, image]))}"
    how = reach if found.active[place, image] else "not active"
    how = f"constant; {how}" if found.constant[place, image] else how
    return f"{found.channels[place]}:  {value};  {how}\n{noun}s {', '.join(shown)}"


def _montage(found: Projections) -> tuple[tuple[int, ...], mosaics.Mosaic]:
    pictures = slices(found.inputs[0])
    shown = spread_slices(len(pictures))
    return shown, slice_grid(pictures[list(shown)], labels=16)


def _montage_height(found: Projections) -> float:
    height, width = _montage(found)[1].pixels.shape[:2]
    return float(np.clip(_ACROSS * height / width, 0.9, 5.0))


def _draw_montage(axes: Axes, found: Projections) -> None:
    """Draw slices of the volume, and on the nearest one the window of each active unit."""
    shown, grid = _montage(found)
    noun = slice_noun(found.inputs[0])
    drawing.show(axes, grid.pixels, smooth=True)
    axes.set_anchor("NW")
    mosaics.label_tiles(axes, grid, [f"{noun} {at}" for at in shown])
    active = np.flatnonzero(found.active[:, 0])[:_MOST_PLACES]
    scale = np.array(grid.side) / np.array(found.inputs[0].shape[2:])
    channels: dict[Box, list[int]] = {}
    for place in active:
        channels.setdefault(found.windows[place][0], []).append(found.channels[place])
    for window, named in channels.items():
        _frame(axes, found, window, first_few(named, 3), grid, scale, shown)
    count = int(found.active.sum())
    some = f" (the first {len(active)} of {count})" if count > len(active) else ""
    said = (
        f"what the network saw, and where each channel is strongest{some}: on the {noun} drawn "
        "that lies nearest to the middle of its window"
    )
    axes.set_title(said, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")


def _frame(
    axes: Axes,
    found: Projections,
    window: Box,
    name: str,
    grid: mosaics.Mosaic,
    scale: NDArray[np.float64],
    shown: tuple[int, ...],
) -> None:
    from matplotlib.patches import Rectangle

    size = found.inputs[0].shape[1:]
    starts = np.clip(window.starts, 0, np.array(size) - 1)
    ends = np.clip(window.ends, starts + 1, size)
    middle = (starts[0] + ends[0] - 1) / 2
    left, top = grid.corners[int(np.argmin(np.abs(np.array(shown) - middle)))] - 0.5
    corner = (left + starts[2] * scale[1], top + starts[1] * scale[0])
    sides = ((ends - starts)[2] * scale[1], (ends - starts)[1] * scale[0])
    for colour, line in (("white", 1.8), (drawing.ACCENT, 0.9)):
        axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=colour, linewidth=line))
    from matplotlib.patheffects import withStroke

    axes.text(
        corner[0] + sides[0] / 2,
        corner[1] + sides[1] / 2,
        name,
        fontsize=6.0,
        color=drawing.INK,
        ha="center",
        va="center",
        path_effects=[withStroke(linewidth=1.6, foreground="white")],
    )
