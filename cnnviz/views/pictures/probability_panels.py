"""Panels that the pictures of the softmax and of the sigmoid share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.aligned_numbers import to_one_place
from cnnviz.results.text import minus, number, power_of_ten, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 1e-40
"""Where the longest logarithmic axis begins."""
NAME = 24
"""The most letters of a class name beside its bar."""
REST = "#aab2bd"
"""The colour of all classes that are not shown, together."""
_LINES = (
    "#2a6fdb", "#c8501e", "#2f8f4e", "#7a4fc9", "#1a9bb5", "#d1478f", "#8a6d00", "#5b6f94",
    "#7d3b1d", "#111827", "#3fb39b", "#9b1c31",
)  # fmt: skip


def colours(count: int, rest: bool) -> list[str]:
    """Return a colour for each class, and one for all others together."""
    return [*_LINES[:count], *([REST] if rest else [])]


def bars(
    axes: Axes,
    values: NDArray[np.float64],
    said: Sequence[str],
    title: str,
    paints: Sequence[str],
    names: Sequence[str] | None,
    *,
    logarithmic: bool = False,
) -> None:
    """Draw a horizontal bar for each class with its value in words; the first is uppermost.

    A value that is not finite has no bar, and stands there in words; nor has zero on a logarithmic
    axis.
    """
    rows = np.arange(len(values))
    if logarithmic:
        _logarithmic_bars(axes, rows, values, said, paints)
        _style(axes, title, rows, names)
        return
    drawn = np.where(np.isfinite(values), values, 0.0)
    axes.barh(rows, drawn, color=list(paints), height=0.62)
    low, high = min(0.0, float(drawn.min())), max(0.0, float(drawn.max()))
    reach = (high - low) or 1.0
    # Behind the longest bar stands its number.
    axes.set_xlim(low - (0.32 * reach if low < 0.0 else 0.0), high + 0.32 * reach)
    for row, (value, text) in enumerate(zip(drawn, said, strict=True)):
        axes.text(
            value + (-0.02 if value < 0.0 else 0.02) * reach, row, text, va="center",
            ha="right" if value < 0.0 else "left", fontsize=drawing.TEXT_SIZE, color=drawing.INK,
        )  # fmt: skip
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    _style(axes, title, rows, names)


def _logarithmic_bars(
    axes: Axes,
    rows: NDArray[np.int64],
    values: NDArray[np.float64],
    said: Sequence[str],
    paints: Sequence[str],
) -> None:
    """Draw values above zero as bars from a power of ten below the least of them."""
    shown = np.maximum(values, _LEAST)
    low, high = 0.1 * 10.0 ** np.floor(np.log10(shown.min())), float(shown.max())
    axes.set_xscale("log")
    drawn = np.where(values > 0.0, shown, low)
    axes.barh(rows, drawn - low, left=low, color=list(paints), height=0.62)
    axes.set_xlim(low, high * (high / low) ** 0.45)
    for row, (value, text) in enumerate(zip(drawn, said, strict=True)):
        axes.annotate(
            text, (value, row), (4, 0), textcoords="offset points", va="center",
            fontsize=drawing.TEXT_SIZE, color=drawing.INK,
        )  # fmt: skip
    decades = round(math.log10(high / low))
    powers = np.arange(round(math.log10(low)), math.log10(high) + 0.5, max(1, decades // 4))
    axes.set_xticks(10.0**powers, [power_label(int(power)) for power in powers])
    axes.minorticks_off()
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _style(axes: Axes, title: str, rows: NDArray[np.int64], names: Sequence[str] | None) -> None:
    drawing.plain_axes(axes)
    if axes.get_xscale() == "linear":
        axes.axvline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=0)
    if names is None:
        axes.set_yticks(rows, [""] * len(rows))
    else:
        axes.set_yticks(rows, [shortened(name, NAME, "end") for name in names])
    axes.tick_params(axis="y", length=0, labelsize=drawing.TEXT_SIZE, labelcolor=drawing.INK)
    axes.spines["left"].set_visible(False)
    panel_title(axes, title)


def panel_title(axes: Axes, title: str) -> None:
    """Write what a panel shows above its left end."""
    axes.set_title(title, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.INK)


def matrix(
    axes: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str] | None,
    columns: Sequence[str],
    title: str,
) -> None:
    """Draw gradients between -1 and 1 as cells with their numbers, zero in the middle."""
    scale = drawing.Scale(-1.0, 1.0, drawing.SIGNED)
    axes.imshow(scale.paint(values), aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column, row, signed(value), ha="center", va="center", fontsize=drawing.SMALL_SIZE,
            color="white" if abs(value) > 0.6 else drawing.INK,
        )  # fmt: skip
    axes.set_yticks(
        range(len(values)),
        [""] * len(values) if rows is None else [shortened(row, NAME, "end") for row in rows],
    )
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=drawing.SMALL_SIZE, labelcolor=drawing.INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    panel_title(axes, title)


def signed(value: float) -> str:
    """Return a gradient with its sign, and no digits that are not there.

    >>> signed(-0.5), signed(0.0), signed(0.0004), signed(-1.0)
    ('−0.500', '0', '+4.0e-04', '−1.000')
    """
    if value == 0.0:
        return "0"
    return minus(f"{value:+.3f}" if abs(value) >= 1e-3 else f"{value:+.1e}")


def temperature_curves(
    axes: Axes,
    places: NDArray[np.float64],
    curves: NDArray[np.float64],
    marks: NDArray[np.float64],
    names: Sequence[str],
    paints: Sequence[str],
    *,
    logarithmic: bool = False,
) -> None:
    """Draw the probability of each class over the temperature, and where bars stand for it."""
    drawing.plain_axes(axes)
    for place, (name, paint) in enumerate(zip(names, paints, strict=True)):
        dashes = (4, 2) if paint == REST else (None, None)
        axes.plot(
            places, curves[:, place], color=paint, linewidth=1.6, dashes=dashes,
            label=shortened(name, NAME, "end"),
        )  # fmt: skip
    for mark in marks:
        axes.axvline(mark, color=drawing.FAINT, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    drawing.log_numbers(axes.xaxis)
    axes.set_xlim(min(places[0], marks.min()), max(places[-1], marks.max()))
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(10.0 ** (least := _least_power(places, curves)), 2.0)
        powers = range(least, 1, max(1, -least // 4))
        axes.set_yticks([10.0**power for power in powers], list(map(power_label, powers)))
        axes.minorticks_off()
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("temperature T", fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=drawing.SMALL_SIZE
    )


def _least_power(places: NDArray[np.float64], curves: NDArray[np.float64]) -> int:
    """Return a power of ten below every probability at the temperature 1, and no less than -12."""
    shares = curves[int(np.abs(np.log(places)).argmin())]
    return max(-12, math.floor(math.log10(shares[shares > 0.0].min())))


def power_label(power: int) -> str:
    """Return a power of ten as the label of a tick, as a percentage where that is short.

    >>> power_label(0), power_label(-2), power_label(-6)
    ('1', '0.01', '10⁻⁶')
    """
    return f"{10.0**power:g}" if power >= -2 else power_of_ten(10.0**power).partition("× ")[2]


def in_four_figures(values: NDArray[np.float64]) -> list[str]:
    """Return numbers that are subtracted from each other to one place, in four figures."""
    return to_one_place(values, 4) if np.isfinite(values).all() else said(values)


def said(values: NDArray[np.float64]) -> list[str]:
    """Return numbers in three digits; infinity as its sign."""
    return [number(value) if np.isfinite(value) else f"{value:+}"[0] + "∞" for value in values]
