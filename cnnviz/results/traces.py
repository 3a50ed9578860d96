"""Signals on matplotlib axes: traces, spectrograms, and evidence along them as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.spectra import FLOOR, Spectrogram, frequency_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

MOST_CHANNELS = 8
"""How many channels of a signal are drawn one above the other; it says so where there are more."""
_TINT = 0.5
LINES = (drawing.ACCENT, drawing.WARM, "#3a9d8f", "#7d55c7")
"""The colours of several lines in one plot."""


def draw_signal(axes: Axes, values: NDArray[Any]) -> None:
    """Draw a signal [C, L] over its samples: one channel to scale, several one above the other."""
    channels, length = values.shape
    samples = np.arange(length)
    shown = values[:MOST_CHANNELS]
    if channels == 1:
        axes.plot(samples, values[0], color=drawing.INK, linewidth=0.8, zorder=3)
        low, high = _ends(values[0])
        axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    else:
        for place, trace in enumerate(shown):
            low, high = _ends(trace)
            share = (trace - low) / (high - low) - 0.5
            axes.plot(samples, 0.84 * share - place, color=drawing.INK, linewidth=0.7, zorder=3)
        labels = [f"channel {place}" for place in range(len(shown))]
        axes.set_yticks([-place for place in range(len(shown))], labels)
        axes.set_ylim(0.5 - len(shown), 0.5)
    if channels > MOST_CHANNELS:
        said = f"the first {MOST_CHANNELS} of {channels} channels"
        axes.set_ylabel(said, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.set_xlim(-0.5, length - 0.5)
    drawing.plain_axes(axes)


def time_unit(rate: float | None) -> str:
    """Return what the samples of a signal are counted in: seconds where their rate is known."""
    return "samples" if rate is None or rate == 1.0 else "seconds"


def time_axis(axes: Axes, rate: float | None, *, label: bool = True, places: int = 9) -> None:
    """Count an axis of samples in seconds where their rate is known, and say what it counts.

    The coordinates stay samples, so that whatever is drawn over samples lies where it belongs.
    """
    if rate is not None and rate != 1.0:
        from matplotlib.ticker import FuncFormatter

        axes.xaxis.set_major_locator(_seconds_locator(rate, places))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at / rate:.6g}"))
    if label:
        axes.set_xlabel(time_unit(rate), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)


def _seconds_locator(rate: float, places: int) -> Locator:
    from matplotlib.ticker import MaxNLocator

    class Seconds(MaxNLocator):
        """Places of round seconds on an axis of samples."""

        def tick_values(self, vmin: float, vmax: float) -> Any:
            return np.asarray(super().tick_values(vmin / rate, vmax / rate)) * rate

    return Seconds(nbins=places, steps=[1, 2, 2.5, 5, 10])


def draw_spectrogram(axes: Axes, found: Spectrogram, length: int) -> None:
    """Draw the spectrogram of a signal of so many samples over them; 0 hertz is below."""
    scale, rate = spectrogram_scale(), found.rate
    wide, high = found.step * rate / 2.0, float(found.frequencies[1]) / 2.0
    first, last = float(found.times[0]) * rate, float(found.times[-1]) * rate
    axes.imshow(
        scale.paint(found.decibels),
        origin="lower",
        extent=(first - wide, last + wide, -high, float(found.frequencies[-1]) + high),
        aspect="auto",
        interpolation="nearest" if found.decibels.shape[1] < 512 else "antialiased",
    )
    axes.set_xlim(-0.5, length - 0.5)
    axes.set_ylim(0.0, float(found.frequencies[-1]))
    axes.set_ylabel(frequency_unit(rate), fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    drawing.plain_axes(axes)


def spectrogram_scale() -> drawing.Scale:
    """Return the scale of the colours of a spectrogram, in decibels."""
    return drawing.Scale(FLOOR, 0.0, drawing.SEQUENTIAL)


def _ends(trace: NDArray[Any]) -> tuple[float, float]:
    low, high = float(trace.min()), float(trace.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def tint(axes: Axes, heat: NDArray[Any], scale: drawing.Scale) -> None:
    """Lay the colours of values [L] behind what axes show over samples, fainter near zero."""
    low, high = axes.get_ylim()
    reach = max(abs(scale.low), abs(scale.high))
    density = np.clip(np.abs(heat) / reach, 0.0, 1.0) if reach > 0.0 else np.zeros(len(heat))
    colours = np.concatenate([scale.paint(heat) / 255.0, _TINT * density[:, None]], axis=1)
    axes.imshow(
        colours[None],
        extent=(-0.5, len(heat) - 0.5, low, high),
        aspect="auto",
        interpolation="nearest" if len(heat) < 512 else "antialiased",
        zorder=0,
    )
    axes.set_ylim(low, high)


def band(axes: Axes, heat: NDArray[Any], scale: drawing.Scale) -> None:
    """Draw values [L] as a band of colours over samples."""
    axes.imshow(
        scale.paint(heat)[None],
        extent=(-0.5, len(heat) - 0.5, 0.0, 1.0),
        aspect="auto",
        interpolation="nearest" if len(heat) < 512 else "antialiased",
    )
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=drawing.QUIET, labelsize=drawing.SMALL_SIZE)


def trace_tiles(
    axes: Axes, tiles: Sequence[NDArray[Any]], labels: Sequence[str], columns: int
) -> None:
    """Draw small plots in rows on one axes, each on its own scale, with a label below each.

    Parameters
    ----------
    axes : Axes
        What to draw on.
    tiles : sequence of ndarray
        The lines of each plot, [M, L]. Values of zero have a faint line.
    labels : sequence of str
        One for each.
    columns : int
        How many stand in a row.
    """
    from matplotlib.collections import LineCollection

    lines, colours, zeros = [], [], []
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        left, top = number % columns * 1.12, -(number // columns) * 1.38
        low, high = _ends(tile)
        low, high = min(low, 0.0), max(high, 0.0)
        across = left + np.linspace(0.0, 1.0, tile.shape[1])
        for place, line in enumerate(tile):
            down = top - 1.0 + (line - low) / (high - low)
            lines.append(np.stack([across, down], axis=1))
            colours.append(LINES[place % len(LINES)])
        level = top - 1.0 - low / (high - low)
        zeros.append([(left, level), (left + 1.0, level)])
        axes.text(left, top - 1.06, label, fontsize=6.5, color=drawing.QUIET, va="top", ha="left")
    axes.add_collection(LineCollection(zeros, colors=drawing.FAINT, linewidths=0.6))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.9))
    rows = -(-len(tiles) // columns)
    axes.set_xlim(-0.05, columns * 1.12 - 0.07)
    axes.set_ylim(-(rows - 1) * 1.38 - 1.36, 0.08)
    drawing.hide_ticks(axes)
