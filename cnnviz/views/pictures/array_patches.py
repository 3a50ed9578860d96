"""Patches of signals and volumes with what they send back: traces, and strips of slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, mosaics, traces
from cnnviz.results.array_pictures import shown_slices, spread_slices
from cnnviz.results.text import number
from cnnviz.views.pictures.deconvnet import REACH, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.introspection.receptive_fields import Box
    from cnnviz.views.deconvnet import Projections

MOST_LINES = 4
"""How many channels of a signal one patch shows as lines."""
_MOST_SLICES = 6
"""How many slices of a volume one patch shows."""
_SLICE = 56
"""Pixels of a slice's longer side at least, which grows by a whole factor; and twice that at
most."""
_BACK = "#f3f5f8"
_COLOURS = ("blue", "orange", "green", "violet")
"""The words for the colours of `traces.LINES`."""
_STEP = 1.1
_PATCH, _SENT, _SEAM = 1.0, 0.7, 0.08
"""The heights of a patch and of what it sends back, and what lies between them."""
_LINE = 0.21
"""The height of a line of label."""


def how(found: Projections) -> str:
    """Say how patches and projections are scaled, and what of them is left out."""
    reach = (
        f"Each projection has its own scale, which ends at the {REACH:g}th percentile of its "
        "sizes and stands below it after the sign ±"
    )
    size = found.windows[0][0].sizes
    if found.space.axes == 1:
        return (
            f"{channels_told(found.signals.shape[2])}{reach}, with zero as a faint line; each "
            "patch spans its own range. Below stand the channel, the unit's value and the samples."
        )
    return f"{slices_told(size[0])}Grey is zero. {reach}, under the channel and the unit's value."


def channels_told(count: int) -> str:
    """Say which channels of a signal a patch shows, where it does not show all."""
    if count <= MOST_LINES:
        return ""
    return (
        f"Of the {count} channels of the signal each patch shows the {MOST_LINES} that it sends "
        "most back to. "
    )


def slices_told(deep: int) -> str:
    """Say which slices of a patch are shown."""
    some = shown_slices(slices_of(deep), deep, "slice")
    return f"Of each patch {some} stand side by side. " if some else "Slices stand side by side. "


def slices_of(deep: int) -> tuple[int, ...]:
    """Return which of the slices of a patch are shown."""
    return spread_slices(deep, _MOST_SLICES)


def strip(pictures: drawing.Pixels) -> drawing.Pixels:
    """Return slices [d, h, w, 3] side by side, those that are spread over them where many."""
    shown = pictures[list(slices_of(len(pictures)))]
    small = np.stack([drawing.fit(one, 2 * _SLICE) for one in shown])
    return mosaics.mosaic(small, columns=len(small), side=_SLICE, gap=2).pixels


def colours_told(count: int) -> str:
    """Say which line is which channel of a signal; nothing where there is one."""
    if count == 1:
        return ""
    if count > MOST_LINES:
        return f"; lines in the order of the channels named: {', '.join(_COLOURS)}"
    named = [f"channel {channel} {colour}" for channel, colour in enumerate(_COLOURS[:count])]
    return f"; {', '.join(named)}"


def extent(window: Box, length: int) -> str:
    """Say which samples of a signal a window covers."""
    ((start,), (end,)) = window.starts, window.ends
    first, last = max(start, 0), min(end, length) - 1
    if first > last:
        return "beyond the signal"
    return f"samples {first} to {last}" + (", cut off" if start < 0 or end > length else "")


def lines_of(signal: NDArray[np.float32]) -> list[int]:
    """Return which channels of a projection [C, l] are drawn: those with most of it, in order."""
    if len(signal) <= MOST_LINES:
        return list(range(len(signal)))
    most = np.argsort(-np.abs(signal).sum(1), kind="stable")[:MOST_LINES]
    return sorted(most.tolist())


def signal_pairs(
    axes: Axes,
    patches: Sequence[NDArray[np.float32]],
    signals: Sequence[NDArray[np.float32]],
    labels: Sequence[str],
    columns: int,
    lines: int,
) -> None:
    """Draw patches of signals [C, l], each over what it sends back [C, l], in rows on one axes.

    Parameters
    ----------
    axes : Axes
        What to draw on.
    patches, signals : sequence of ndarray
        What is drawn; where a patch is NaN, beyond the signal, there is nothing of either.
    labels : sequence of str
        What stands below each pair.
    columns : int
        How many stand in a row.
    lines : int
        How many lines the longest label has.
    """
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Rectangle

    drawn, colours, zeros, backs = [], [], [], []
    step = pair_height(lines)
    for place, (patch, signal, label) in enumerate(zip(patches, signals, labels, strict=True)):
        left, top = place % columns * _STEP, -(place // columns) * step
        middle = top - _PATCH - _SEAM
        backs += [Rectangle((left, top - _PATCH), 1.0, _PATCH)]
        backs += [Rectangle((left, middle - _SENT), 1.0, _SENT)]
        zero = middle - _SENT / 2
        zeros.append([(left, zero), (left + 1.0, zero)])
        shown = lines_of(signal)
        reach = reach_of(np.nan_to_num(signal))
        for channel in shown:
            colour = traces.LINES[shown.index(channel)] if len(signal) > 1 else drawing.INK
            share = _shares(patch[channel], patch[shown])
            drawn.append(_line(share, left, top - _PATCH, _PATCH))
            colours.append(colour)
            if reach > 0.0:
                sent = np.clip(signal[channel] / reach, -1, 1) + 0.0 * patch[channel]
                drawn.append(_line(0.5 + 0.47 * sent, left, middle - _SENT, _SENT))
                colours.append(colour)
        axes.text(
            left,
            middle - _SENT - 0.05,
            label,
            fontsize=6.5,
            color=drawing.QUIET,
            va="top",
            linespacing=1.25,
        )
    axes.add_collection(PatchCollection(backs, facecolor=_BACK, edgecolor="none", zorder=0))
    axes.add_collection(LineCollection(zeros, colors=drawing.FAINT, linewidths=0.6))
    axes.add_collection(LineCollection(drawn, colors=colours, linewidths=0.9))
    axes.set_xlim(-0.01, columns * _STEP - _STEP + 1.01)
    rows = -(-len(labels) // columns)
    axes.set_ylim(0.1 - rows * step, 0.05)
    drawing.hide_ticks(axes)


def pair_height(lines: int) -> float:
    """Return the height of a pair with its label, as a share of its patch's."""
    return _PATCH + _SEAM + _SENT + 0.22 + _LINE * lines


def _shares(line: NDArray[np.float32], every: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a line between 0 and 1, a little within the range of all lines of a patch."""
    finite = every[np.isfinite(every)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if not high > low:
        return 0.5 + 0.0 * line.astype(np.float64)
    return 0.04 + 0.92 * (line.astype(np.float64) - low) / (high - low)


def _line(
    share: NDArray[np.float64], left: float, bottom: float, height: float
) -> NDArray[np.float64]:
    """Return the points of a line; a single sample is as wide as its patch."""
    if len(share) == 1:
        share = np.repeat(share, 2)
    return np.stack([left + np.linspace(0.0, 1.0, len(share)), bottom + height * share], axis=1)


def range_of(patch: NDArray[np.float32], shown: Sequence[int]) -> str:
    """Return the range that a patch of a signal spans, in words."""
    finite = patch[list(shown)]
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return "beyond the signal"
    return f"{number(float(finite.min()))} to {number(float(finite.max()))}"
