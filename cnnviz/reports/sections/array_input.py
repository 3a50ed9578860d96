"""The signal, volume or clip as the network sees it: what `photo` is to photos."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.images import ArrayInput
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.context import Context
from cnnviz.results import colour_bars, drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, slice_grid, slices, spread_slices
from cnnviz.results.space import IMAGE
from cnnviz.results.spectra import Spectrogram, has_spectrogram, spectrogram
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
        shown = _spectrogram(given)
        below = "" if shown is None else f" Below, its spectrogram: {shown.told()}."
        return (
            f"The signal over its {traces.time_unit(given.rate)}, before it is normalised."
            f"{drawn}{below}"
        )
    if given.space == IMAGE:
        return "The numbers, before they are normalised, with the first row below."
    deep = given.values.shape[1]
    some = shown_slices(spread_slices(deep), deep, "frame" if given.is_clip else "slice")
    return "The slices, before they are normalised." + (f" Drawn are {some}." if some else "")


def _spectrogram(given: ArrayInput) -> Spectrogram | None:
    if given.rate is None or not has_spectrogram(given.values.shape[1], given.rate):
        return None
    return spectrogram(given.values, given.rate)


def _draw_signal(given: ArrayInput) -> Figure:
    """Draw the signal as a trace, and below it its spectrogram where its rate is known."""
    tall = [1.4 + 0.5 * min(len(given.values), traces.MOST_CHANNELS)]
    shown = _spectrogram(given)
    if shown is not None:
        tall.append(2.2)
    figure = drawing.new_figure(_ACROSS, sum(tall))
    panels = figure.subplots(len(tall), 1, squeeze=False, height_ratios=tall)[:, 0]
    traces.draw_signal(panels[0], given.values)
    if shown is not None:
        traces.draw_spectrogram(panels[1], shown, given.values.shape[1])
        panels[0].tick_params(labelbottom=False)
        scale, label = traces.spectrogram_scale(), "dB, 0 at the loudest"
        colour_bars.bar_of_panels(panels[1], scale, label, fraction=0.04, pad=0.02, aspect=14)
    for axes in panels:
        traces.time_axis(axes, given.rate, label=axes is panels[-1])
    return figure


def _draw_numbers(given: ArrayInput) -> Figure:
    """Draw numbers [C, H, W] that are no photo, such as a spectrogram, as their mean."""
    values = given.values.mean(0)
    scale = drawing.Scale.of(values)
    figure = drawing.new_figure(_ACROSS, 3.2)
    axes = figure.subplots()
    axes.imshow(scale.paint(values), origin="lower", aspect="auto", interpolation="nearest")
    drawing.plain_axes(axes)
    for name, write in (("rows", axes.set_ylabel), ("columns", axes.set_xlabel)):
        write(name, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    label = "value" if len(given.values) == 1 else f"mean of {len(given.values)} channels"
    colour_bars.bar_of_panels(axes, scale, label, fraction=0.04, pad=0.02, aspect=20)
    return figure


def _draw(given: ArrayInput) -> Figure:
    if given.space.axes == 1:
        return _draw_signal(given)
    if given.space == IMAGE:
        return _draw_numbers(given)
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
