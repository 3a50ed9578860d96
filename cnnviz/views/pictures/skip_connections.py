"""The picture of skip connections: norms, shares and cosines along the depth."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cnnviz.views.skip_connections import SkipConnections

_NAMED = 40
"""Up to so many blocks are named along the axis; more are counted."""
_ABREAST = 70
"""Letters of names that have room side by side."""
_LETTERS = 84
"""In a line of what is said where there is nothing to draw."""
_SKIP, _BRANCH = drawing.ACCENT, drawing.WARM


def draw(found: SkipConnections, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw norms, shares and cosines along the depth, or say that there is nothing to draw."""
    if not found.blocks:
        return _nothing(found, into)
    count = len(found.blocks)
    figure = drawing.canvas(min(14.0, max(7.6, 3.6 + 0.24 * count)), 6.6, into)
    norms, shares, cosines = figure.subplots(3, 1, sharex=True, height_ratios=[2.2, 1.2, 1.0])
    for axes in (norms, shares, cosines):
        drawing.plain_axes(axes)
        axes.set_xlim(-0.7, count - 0.3)
    _norms(norms, found)
    _shares(shares, found)
    _cosines(cosines, found)
    if count <= _NAMED:
        _name(cosines, found.blocks)
    else:
        cosines.set_xlabel(
            f"residual block, {found.blocks[0]} to {found.blocks[-1]}",
            fontsize=drawing.TEXT_SIZE, color=drawing.INK,
        )  # fmt: skip
    drawing.heading(figure, found.summary())
    return figure


def _name(axes: Axes, blocks: Sequence[str]) -> None:
    """Write the names of the blocks below, upright where they have no room side by side."""
    turned: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    level = sum(map(len, blocks)) + 4 * len(blocks) <= _ABREAST
    axes.set_xticks(np.arange(len(blocks)), blocks, **({} if level else turned))


def _nothing(found: SkipConnections, into: drawing.Canvas | None) -> drawing.Canvas:
    figure = drawing.canvas(7.6, 1.6, into)
    say_nothing(figure.add_subplot(), found)
    return figure


def say_nothing(axes: Axes, found: SkipConnections) -> None:
    """Write into an Axes that there is nothing to draw."""
    drawing.hide_ticks(axes)
    axes.text(
        0.0, 0.5, "\n".join(textwrap.wrap(f"{found.summary()}.", _LETTERS)), va="center",
        transform=axes.transAxes, fontsize=drawing.TEXT_SIZE + 1.0, color=drawing.INK,
    )  # fmt: skip


def _norms(axes: Axes, found: SkipConnections) -> None:
    places = np.arange(len(found.blocks))
    lines = (
        ("whole, dL/dx", found.typical("whole"), drawing.INK, 1.0),
        ("through the skip, dL/dG", found.typical("skip"), _SKIP, 1.6),
        ("through the branch, dL/dG dF/dx", found.typical("branch"), _BRANCH, 1.6),
    )
    drawn = []
    for label, heights, colour, width in lines:
        heights[heights == 0.0] = np.nan
        drawn.append(heights)
        axes.plot(
            places, heights, color=colour, linewidth=width, marker="o", markersize=3.4, label=label
        )
    changed = [place for place, kind in enumerate(found.kinds) if kind == "projection"]
    axes.plot(
        changed, drawn[1][changed], "o", markersize=8.0, markerfacecolor="none", color=_SKIP,
        markeredgewidth=1.0, label="the skip changes the shape" if changed else None,
    )  # fmt: skip
    if np.isfinite(drawn).any():
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        if high < 1e3 * low:
            drawing.log_numbers(axes.yaxis)
    wide = drawing.width_of(axes.figure)
    axes.set_title(
        drawing.wrapped("blocks G = x + F(x), so that dL/dx = dL/dG + dL/dG dF/dx", wide - 0.6),
        loc="left", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET,
    )  # fmt: skip
    axes.set_ylabel("gradient norm", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
    small: dict[str, Any] = {"frameon": False, "fontsize": drawing.SMALL_SIZE}
    if wide < drawing.NARROW:  # In a column it would lie on the curves.
        axes.figure.legend(loc="outside lower left", **small)
    else:
        axes.legend(loc="best", ncols=2, **small)


def _shares(axes: Axes, found: SkipConnections) -> None:
    places, share = np.arange(len(found.blocks)), 100.0 * found.skip_share
    axes.bar(places, share, width=0.72, color=_SKIP)
    axes.bar(places, 100.0 - share, width=0.72, bottom=share, color=_BRANCH, alpha=0.75)
    axes.axhline(50.0, color="white", linewidth=0.8)
    axes.set_ylim(0.0, 100.0)
    axes.set_ylabel("share (%)\nskip below", fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def _cosines(axes: Axes, found: SkipConnections) -> None:
    places = np.arange(len(found.blocks))
    known = np.isfinite(found.cosines)
    sums = np.where(known, found.cosines, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    means = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8)
    axes.plot(places, means, color=drawing.INK, linewidth=1.0, marker="o", markersize=3.4)
    reach = max(0.2, 1.15 * float(np.nanmax(np.abs(means)))) if np.isfinite(means).any() else 1.0
    axes.set_ylim(-min(reach, 1.0), min(reach, 1.0))
    axes.set_ylabel("cosine of skip\nand branch", fontsize=drawing.TEXT_SIZE, color=drawing.INK)
