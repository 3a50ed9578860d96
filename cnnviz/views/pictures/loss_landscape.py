"""The picture of a loss landscape: a line with its share of right answers, or a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import colour_bars, drawing
from cnnviz.results.text import number
from cnnviz.views.pictures.named_marks import name_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from cnnviz.views.loss_landscape import LossLandscape

_LEVELS = 13
_LOG_FROM = 10.0
"""Losses are drawn on a logarithmic scale from this ratio of the highest to the lowest on."""
_ZOOM = 0.88
_UNIT = "(1: each filter changes by its own norm)"
_CROSS = "the network as it is"


def draw(found: LossLandscape, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw the loss along the line, or as contours and as a surface."""
    return (_line if found.dimensions == 1 else _surface)(found, into)


def levels(losses: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return the edges of the colours, and whether they are spaced logarithmically.

    They go from the lowest to the highest finite loss. Losses of zero, which no logarithm has,
    share the lowest colour.
    """
    finite = losses[np.isfinite(losses)]
    if finite.size == 0:
        return np.array([0.0, 1.0]), False
    low, high = float(finite.min()), float(finite.max())
    positive = finite[finite > 0.0]
    if low >= 0.0 and positive.size and high > _LOG_FROM * float(positive.min()):
        edges: NDArray[np.float64] = np.geomspace(float(positive.min()), high, _LEVELS)
        edges[0], edges[-1] = float(positive.min()), high
        return edges, True
    if not high > low:
        margin = max(abs(high), 1.0) * 1e-3
        return np.array([low - margin, low + margin]), False
    return np.linspace(low, high, _LEVELS), False


def _line(found: LossLandscape, into: drawing.Canvas | None) -> drawing.Canvas:
    figure = drawing.canvas(9.6, 5.0, into)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1.0])
    losses, shares = found.losses[0], found.shares[0]
    for axes in (upper, lower):
        drawing.plain_axes(axes)
        axes.axvline(0.0, color=drawing.FAINT, linewidth=0.8)
    finite = np.where(np.isfinite(losses), losses, np.nan)
    upper.plot(found.x, finite, color=drawing.ACCENT, linewidth=1.6, marker="o", markersize=2.8)
    upper.plot(0.0, found.centre, "x", color=drawing.WARM, markersize=9, markeredgewidth=2.0)
    if levels(losses)[1]:
        upper.set_yscale("log")
        drawing.log_numbers(upper.yaxis)
    name_mark(upper, (0.0, found.centre), _CROSS, drawing.WARM)
    for place in found.x[~np.isfinite(losses)]:
        upper.axvspan(place - _half_step(found), place + _half_step(found), color="#e3e6ea")
    upper.set_ylabel(f"{found.kind}\n(nats)", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    lower.plot(found.x, 100.0 * shares, color=drawing.INK, linewidth=1.3)
    lower.set_ylim(-4.0, 104.0)
    lower.set_ylabel("right (%)", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    words = _along("along a random direction", figure)
    lower.set_xlabel(words, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    drawing.heading(figure, found.summary())
    return figure


def _along(direction: str, figure: drawing.Canvas) -> str:
    """Return a direction with its unit, on a line of its own where there is little room."""
    return f"{direction}\n{_UNIT}" if drawing.is_narrow(figure) else f"{direction} {_UNIT}"


def _half_step(found: LossLandscape) -> float:
    return float(found.x[1] - found.x[0]) / 2.0


def _surface(found: LossLandscape, into: drawing.Canvas | None) -> drawing.Canvas:
    figure = drawing.canvas(11.0, 4.9, into)
    _rows(figure, [found])
    drawing.heading(figure, found.summary())
    return figure


def draw_together(
    landscapes: Sequence[LossLandscape],
    heading: str,
    *,
    one_scale: bool = True,
    ceiling: float = np.inf,
) -> drawing.Canvas:
    """Draw surfaces one below the other, in the colours and on the heights of one scale or not.

    What is higher than `ceiling` is drawn as high as that.
    """
    figure = drawing.canvas(11.0, 4.7 * len(landscapes) + 0.3, None)
    _rows(figure, landscapes, one_scale, ceiling)
    drawing.heading(figure, heading)
    return figure


def _rows(
    figure: drawing.Canvas,
    landscapes: Sequence[LossLandscape],
    one_scale: bool = True,
    ceiling: float = np.inf,
) -> None:
    """Draw the contours and the hills of surfaces."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    narrow = drawing.is_narrow(figure)
    across = 1 if narrow else 2
    for row, found in enumerate(landscapes):
        scaled = landscapes if one_scale else [found]
        losses = np.concatenate([one.losses.ravel() for one in scaled])
        edges, logarithmic = levels(
            np.where(np.isfinite(losses), np.minimum(losses, ceiling), np.nan)
        )
        ends = np.log10(edges[[0, -1]]) if logarithmic else edges[[0, -1]]
        scale = ", log scale" if logarithmic else ""
        flat = figure.add_subplot(len(landscapes), across, across * row + 1)
        # One of its own: a bar that shares its scale with another loses its own ticks to it.
        norm = (LogNorm if logarithmic else Normalize)(float(edges[0]), float(edges[-1]))
        shown = np.where(np.isfinite(found.losses), np.minimum(found.losses, ceiling), np.nan)
        if logarithmic:
            shown = np.maximum(shown, edges[0])
        _contours(flat, found, shown, edges, norm)
        words = _along("first direction", figure)
        if narrow:
            flat.locator_params(nbins=5)
        flat.set_xlabel(words, fontsize=drawing.TEXT_SIZE, color=drawing.INK)
        if not narrow:
            # The same numbers once more, for which a column of a paper has no room.
            hilly: Any = figure.add_subplot(len(landscapes), 2, 2 * row + 2, projection="3d")
            _hills(hilly, found, shown, norm, logarithmic)
            if len(landscapes) > 1:
                hilly.set_zlim(*ends)
        if len(landscapes) > 1:
            flat.set_title(
                found.summary(), loc="left", fontsize=drawing.SMALL_SIZE, color=drawing.INK
            )
        bar = figure.colorbar(
            ScalarMappable(norm, drawing.SEQUENTIAL), ax=flat, fraction=0.046, pad=0.02, aspect=28
        )
        if logarithmic:
            drawing.log_numbers(bar.ax.yaxis)
        colour_bars.style_bar(bar, f"{found.kind} (nats{scale})")


def _contours(
    axes: Axes,
    found: LossLandscape,
    shown: NDArray[np.float64],
    edges: NDArray[np.float64],
    norm: Any,
) -> None:
    from matplotlib.patheffects import withStroke

    drawing.plain_axes(axes)
    axes.set_facecolor("#d0d4da")
    masked = np.ma.masked_invalid(shown)
    axes.contourf(found.x, found.y, masked, levels=edges, norm=norm, cmap=drawing.SEQUENTIAL)
    if len(edges) > 2:
        lines = axes.contour(
            found.x, found.y, masked, levels=edges[1:-1], colors="white", linewidths=0.6
        )
        for text in axes.clabel(lines, list(edges[1:-1:3]), fmt=number, fontsize=7.0):
            text.set_path_effects([withStroke(linewidth=1.6, foreground=drawing.INK)])
    axes.plot(0.0, 0.0, "x", color=drawing.WARM, markersize=9, markeredgewidth=2.2)
    name_mark(axes, (0.0, 0.0), _CROSS, drawing.WARM)
    axes.set_aspect("equal")
    axes.set_ylabel("second direction", fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def _hills(
    axes: Any, found: LossLandscape, shown: NDArray[np.float64], norm: Any, logarithmic: bool
) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    heights = np.log10(shown) if logarithmic else shown
    across, along = np.meshgrid(found.x, found.y)
    colours = colormaps[drawing.SEQUENTIAL](norm(np.nan_to_num(shown, nan=float(norm.vmin))))
    colours[~np.isfinite(shown)] = (0.0, 0.0, 0.0, 0.0)
    axes.plot_surface(
        across, along, heights, facecolors=colours, rstride=1, cstride=1, linewidth=0.15,
        edgecolor=(1.0, 1.0, 1.0, 0.35), antialiased=True, shade=False,
    )  # fmt: skip
    middle = heights[len(found.y) // 2, len(found.x) // 2]
    axes.plot(
        [0.0], [0.0], [middle], "x", color=drawing.WARM, markersize=8, markeredgewidth=2.2,
        zorder=20,
    )  # fmt: skip
    axes.view_init(elev=34.0, azim=-58.0)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.tick_params(labelsize=drawing.SMALL_SIZE, colors=drawing.QUIET, pad=0)
    axes.set_xlabel("first direction", fontsize=drawing.TEXT_SIZE, color=drawing.INK, labelpad=0)
    axes.set_ylabel("second direction", fontsize=drawing.TEXT_SIZE, color=drawing.INK, labelpad=0)
    label = "log10 of the loss" if logarithmic else "loss (nats)"
    axes.set_zlabel(label, fontsize=drawing.TEXT_SIZE, color=drawing.INK, labelpad=2)
    axes.computed_zorder = False
    # Else the label of the vertical axis lies beyond the edge of the figure.
    axes.set_box_aspect(None, zoom=_ZOOM)
