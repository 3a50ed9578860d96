"""The signal, volume or clip as the network sees it: what `photo` is to photos."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.images import ArrayInput
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.context import Context
from cnnviz.results import drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, slice_grid, slices, spread_slices
from cnnviz.results.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 10.0


def build(context: Context, given: ArrayInput) -> Section:
    """Show the input as a trace, or some of its slices."""
    subject, noun = context.image, given.space.noun
    preprocessing = context.model.preprocessing.describe()
    low, high = float(given.values.min()), float(given.values.max())
    picture = Picture(
        name=f"{subject.slug}-{noun}",
        title=f"What the network is given: {given.described}",
        caption=f"{_caption(given)} Its values go from {number(low)} to {number(high)}.",
        alt=f"{given.name}: {given.described}",
        draw=partial(_draw, given),
        provenance=subject.provenance,
        data={
            "input": {"shape": list(given.values.shape), "sha256": given.sha256},
            "least": low,
            "greatest": high,
            "preprocessing": preprocessing,
        },
    )
    return Section(
        key="photo",
        title=f"The {noun} as the network sees it",
        anchor=context.anchor("photo"),
        lead=(f"Before the first layer: {preprocessing}.",) if context.introduces else (),
        pictures=(picture,),
        notes=tuple(f"Done to it: {note}." for note in given.notes),
        subject=subject.slug,
    )


def _caption(given: ArrayInput) -> str:
    if given.space.axes == 1:
        more = len(given.values) > traces.MOST_CHANNELS
        drawn = f" The first {traces.MOST_CHANNELS} channels are drawn." if more else ""
        return f"The signal over its samples, before it is normalised.{drawn}"
    deep = given.values.shape[1]
    some = shown_slices(spread_slices(deep), deep, "frame" if given.is_clip else "slice")
    return "The slices, before they are normalised." + (f" Drawn are {some}." if some else "")


def _draw(given: ArrayInput) -> Figure:
    if given.space.axes == 1:
        lines = min(len(given.values), traces.MOST_CHANNELS)
        figure = drawing.new_figure(_ACROSS, 1.4 + 0.5 * lines)
        axes = figure.subplots()
        traces.draw_signal(axes, given.values)
        axes.set_xlabel("samples", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
        return figure
    pictures = slices(given.values)
    shown = spread_slices(len(pictures))
    grid = slice_grid(np.asarray(pictures[list(shown)], np.uint8), labels=16)
    height, width = grid.pixels.shape[:2]
    figure = drawing.new_figure(_ACROSS, max(1.0, _ACROSS * height / width))
    axes = figure.subplots()
    drawing.show(axes, grid.pixels, smooth=True)
    noun = "frame" if given.is_clip else "slice"
    mosaics.label_tiles(axes, grid, [f"{noun} {at}" for at in shown])
    return figure
