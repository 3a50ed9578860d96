"""Draws receptive fields along a signal, as bands, and in a volume, on planes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing, traces
from cnnviz.results.array_pictures import slice_noun, slices
from cnnviz.results.text import layer_said, shortened, whole_percent
from cnnviz.views.pictures.receptive_field import EFFECTIVE, FLOOR, bar_beside, frame, heat_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.receptive_field import EffectiveFields

_ACROSS = 10.4
_COLUMNS = 3
_LETTERS = 40
_MARGIN = 0.12
"""How much of its field is shown on each side of it."""


def draw(found: EffectiveFields, into: drawing.Canvas | None) -> drawing.Canvas:
    """Draw all fields over the input, and the gradient in the field of each layer."""
    drawn = _draw_signal if found.space.axes == 1 else _draw_volume
    figure = drawn(found, into)
    drawing.heading(figure, found.summary())
    return figure


def _middle(found: EffectiveFields, place: int) -> NDArray[np.float64]:
    """Return the middle of the effective field, or of the theoretical one where there is none."""
    if np.isfinite(found.effective[place]).all():
        centre: NDArray[np.float64] = found.centres[place]
        return centre
    window = found.windows[place]
    return 0.5 * (np.array(window.starts, np.float64) + window.ends)


def _effective(found: EffectiveFields, place: int) -> tuple[list[float], list[float]] | None:
    """Return where the effective field begins and ends along each axis, inside the window."""
    if not np.isfinite(found.effective[place]).all():
        return None
    window, size = found.windows[place], found.effective[place]
    starts = found.centres[place] - size / 2
    starts = np.clip(starts, window.starts, np.maximum(np.array(window.ends) - size, window.starts))
    return starts.tolist(), (starts + size).tolist()


def _detail(found: EffectiveFields, place: int) -> str:
    theory, window = found.sizes[place], found.windows[place].sizes
    noun = found.space.noun
    cut = f", beyond the {noun}" if any(np.array(theory) > window) else ""
    said = f"theoretical {found.space.size(theory.tolist())}{cut}"
    if _effective(found, place) is None:
        return f"{said}\nno gradient"
    return f"{said}\neffective {found.effective_size(place)} ({whole_percent(found.share(place))})"


def _draw_signal(found: EffectiveFields, into: drawing.Canvas | None) -> drawing.Canvas:
    count = len(found.layers)
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    # Noise would say nothing.
    tall = [0.4 + 0.3 * count] if found.noise else [1.5, 0.4 + 0.3 * count]
    below = 2.1 * rows
    figure = drawing.canvas(_ACROSS, sum(tall) + below + 1.0, into)
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[sum(tall) + 0.5, below])
    whole, each = parts.ravel()
    above = whole.subplots(len(tall), 1, height_ratios=tall, sharex=True, squeeze=False).ravel()
    if not found.noise:
        _input(above[0], found)
    _bars(above[-1], found)
    panels = each.subplots(rows, columns, squeeze=False).ravel()
    for place, axes in enumerate(panels[:count]):
        _profile(axes, found, place)
        if place % columns:
            axes.tick_params(labelleft=False)
        else:
            label = "root mean square gradient,\nas a share of the largest"
            axes.set_ylabel(label, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure


def _input(axes: Axes, found: EffectiveFields) -> None:
    assert found.values is not None
    traces.draw_signal(axes, found.values)
    said = "what the network saw" + (" (the first signal)" if found.images > 1 else "")
    axes.set_title(said, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")
    traces.time_axis(axes, found.rate, label=False)
    axes.tick_params(labelbottom=False)


def _bars(axes: Axes, found: EffectiveFields) -> None:
    """Draw the fields of all layers over the samples, one below the other."""
    for place in range(len(found.layers)):
        ((start,), (end,)) = found.windows[place].starts, found.windows[place].ends
        # A sample is as wide as from half way before it to half way after it.
        axes.barh(place, end - start, 0.72, start - 0.5, color=drawing.ACCENT, alpha=0.35)
        effective = _effective(found, place)
        if effective is not None:
            ((first,), (last,)) = effective
            axes.barh(place, last - first, 0.4, first - 0.5, color=EFFECTIVE)
    names = [shortened(layer, 24) for layer in found.layers]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.5, found.energy.shape[1] - 0.5)
    drawing.plain_axes(axes)
    traces.time_axis(axes, found.rate, label=False)
    key = f"{traces.time_unit(found.rate)}; blue: theoretical field, orange: effective field"
    axes.set_xlabel(key, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")


def _profile(axes: Axes, found: EffectiveFields, place: int) -> None:
    """Draw the gradient of one layer over the samples of its field, and a little around it."""
    window = found.windows[place]
    ((start,), (end,)) = window.starts, window.ends
    axes.axvspan(start - 0.5, end - 0.5, color=drawing.ACCENT, alpha=0.14, linewidth=0)
    effective = _effective(found, place)
    if effective is not None:
        ((first,), (last,)) = effective
        axes.axvspan(first - 0.5, last - 0.5, color=EFFECTIVE, alpha=0.25, linewidth=0)
    root = np.sqrt(found.energy[place].astype(np.float64))
    share = root / root.max() if root.max() > 0 else root
    # Steps: between one sample and the next there is nothing.
    edges = np.arange(len(share) + 1) - 0.5
    axes.stairs(np.maximum(share, FLOOR / 10), edges, color=drawing.INK, linewidth=0.9)
    margin = max(1.0, _MARGIN * (end - start))
    axes.set_xlim(max(start - margin, 0) - 0.5, min(end + margin, len(share)) - 0.5)
    if found.scale == "log":
        axes.set_yscale("log")
        axes.set_ylim(FLOOR, 1.3)
        drawing.log_numbers(axes.yaxis)
    else:
        axes.set_ylim(0.0, 1.05)
    drawing.plain_axes(axes)
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    traces.time_axis(axes, found.rate, places=4)
    title = f"{shortened(layer_said(found.layers[place]), _LETTERS)}\n{_detail(found, place)}"
    axes.set_title(title, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")


_PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""The axis across each plane, and those that run down and across it."""


def _draw_volume(found: EffectiveFields, into: drawing.Canvas | None) -> drawing.Canvas:
    assert found.values is not None
    rows = 1 + len(found.layers)
    tall = [_height(found.values.shape[1:]), *(_height(one.sizes) for one in found.windows)]
    figure = drawing.canvas(9.6, sum(tall) + 0.75 * rows + 0.5, into)
    panels = figure.subplots(rows, 3, squeeze=False, height_ratios=[each + 0.6 for each in tall])
    pictures = slices(found.values)
    if found.noise:
        pictures = np.full_like(pictures, drawing.FLAT)
    middle = np.array(pictures.shape[:3]) // 2
    for axes, plane in zip(panels[0], _PLANES, strict=True):
        at = int(middle[plane[0]])
        axes.imshow(np.take(pictures, at, plane[0]), extent=_extent(pictures.shape, plane))
        for place in range(len(found.layers)):
            _frames(axes, found, place, plane, 0.9)
        said = "the volume (noise, drawn grey)" if found.noise else "what the network saw"
        _name(axes, found, plane, at, said if plane[0] == 0 else "")
    for place in range(len(found.layers)):
        _layer_planes(panels[1 + place], found, place, pictures)
    deep, high, _ = found.windows[0].sizes
    bar_beside(panels[1, -1], found, min(tall[1], 2.8 * deep / high))
    return figure


def _height(size: tuple[int, ...]) -> float:
    """Return how many inches high the planes of a box are drawn."""
    deep, high, wide = size
    return float(np.clip(2.3 * max(high / wide, deep / wide, deep / high), 0.7, 2.4))


def _extent(
    shape: tuple[int, ...], plane: tuple[int, int, int]
) -> tuple[float, float, float, float]:
    return 0.0, float(shape[plane[2]]), float(shape[plane[1]]), 0.0


def _layer_planes(
    panels: NDArray[np.object_], found: EffectiveFields, place: int, pictures: drawing.Pixels
) -> None:
    heat, scale = heat_of(found.energy[place], found.scale), drawing.Scale(0.0, 1.0, drawing.HEAT)
    window, last = found.windows[place], np.array(pictures.shape[:3]) - 1
    middle = np.clip(np.floor(_middle(found, place)).astype(int), 0, last)
    for axes, plane in zip(panels, _PLANES, strict=True):
        across, down, right = plane
        at = int(middle[across])
        picture = np.ascontiguousarray(np.take(pictures, at, across))
        painted = drawing.overlay(picture, np.take(heat, at, across), scale)
        axes.imshow(painted, extent=_extent(pictures.shape, plane))
        _frames(axes, found, place, plane, 1.6)
        margin = max(1.0, 0.06 * max(window.sizes[down], window.sizes[right]))
        axes.set_xlim(window.starts[right] - margin, window.ends[right] + margin)
        axes.set_ylim(window.ends[down] + margin, window.starts[down] - margin)
        first = across == 0
        name = shortened(layer_said(found.layers[place]), _LETTERS)
        _name(axes, found, plane, at, f"{name}\n{_detail(found, place)}" if first else "")


def _name(
    axes: Axes, found: EffectiveFields, plane: tuple[int, int, int], at: int, title: str
) -> None:
    assert found.values is not None
    names = (slice_noun(found.values), *found.space.names[1:])
    said = f"{names[plane[0]]} {at}: {names[plane[1]]}s down, {names[plane[2]]}s across"
    axes.set_xlabel(said, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET, loc="left")
    axes.set_title(title, fontsize=drawing.SMALL_SIZE, color=drawing.INK, loc="left")
    axes.set_aspect("equal")
    axes.set_anchor("NW")
    drawing.hide_ticks(axes)


def _frames(
    axes: Axes, found: EffectiveFields, place: int, plane: tuple[int, int, int], line: float
) -> None:
    _, down, right = plane
    window = found.windows[place]
    corner = (window.starts[right], window.starts[down])
    frame(axes, corner, (window.sizes[right], window.sizes[down]), drawing.ACCENT, line)
    effective = _effective(found, place)
    if effective is not None:
        starts, ends = effective
        size = (ends[right] - starts[right], ends[down] - starts[down])
        frame(axes, (starts[right], starts[down]), size, EFFECTIVE, line)
