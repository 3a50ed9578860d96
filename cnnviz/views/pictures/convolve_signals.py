"""The picture of `convolve_signals`: both signals, one over the other, and the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results import drawing
from cnnviz.results.animation import Frame
from cnnviz.results.text import number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection

    from cnnviz.views.convolve_signals import SignalConvolution

_X, _H, _Y = drawing.INK, drawing.WARM, drawing.ACCENT
_FRAMES = 60
"""Frames of an animation at most; of more positions some are left out."""

_MANY = 80
"""Samples above which their dots and lines are fine."""


def draw(found: SignalConvolution, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Draw both signals, one position and the result."""
    return _Scene.build(found, into).figure


def frames(found: SignalConvolution, into: drawing.Canvas | None = None) -> Iterator[Frame]:
    """Draw one position after the other, and the result as far as it has come."""
    scene = _Scene.build(found, into)
    count = len(found.result)
    seconds = 0.5 if count <= 24 else 0.2
    for place in np.linspace(0, count - 1, min(count, _FRAMES)).round().astype(int).tolist():
        scene.move(place, place + 1)
        yield Frame(scene.figure, seconds)
    scene.move(found.at, count)
    yield Frame(scene.figure, 2.5)


@dataclass(eq=False)
class _Stems:
    """Samples as dots on lines from zero."""

    lines: LineCollection
    dots: PathCollection

    @classmethod
    def on(
        cls, axes: Axes, colour: str, label: str, *, width: float = 1.6, many: bool = False
    ) -> _Stems:
        """Begin with none."""
        thin = 0.8 if many else width
        lines = axes.vlines([], [], [], colors=colour, linewidths=thin, zorder=2)
        dots = axes.scatter([], [], s=5 if many else 18, color=colour, label=label, zorder=3)
        return cls(lines, dots)

    def set(self, places: NDArray[Any], values: NDArray[Any]) -> None:
        """Draw other samples."""
        self.lines.set_segments([[(x, 0.0), (x, y)] for x, y in zip(places, values, strict=True)])
        self.dots.set_offsets(np.stack([places, values], axis=1))


@dataclass(eq=False)
class _Scene:
    """What is drawn, with what the next frame changes of it."""

    found: SignalConvolution
    figure: drawing.Canvas
    middle: Axes
    below: Axes
    sliding: _Stems
    products: Any
    result: _Stems
    mark: _Stems

    @classmethod
    def build(cls, found: SignalConvolution, into: drawing.Canvas | None) -> _Scene:
        """Draw the position that is worked out."""
        figure = drawing.canvas(11.6, 6.6, into)
        grid: Any = figure.add_gridspec(3, 2, height_ratios=[1.0, 1.25, 1.25])
        count, long = len(found.result), len(found.response)
        many = count > _MANY
        first, second = (f": {shortened(name, 44)}" if name else "" for name in found.names)
        left, right = (figure.add_subplot(grid[0, place]) for place in range(2))
        _alone(left, found.signal, _X, f"the signal x[k]{first}", "k")
        _alone(right, found.response, _H, f"the response h[m]{second}", "m")
        middle, below = figure.add_subplot(grid[1, :]), figure.add_subplot(grid[2, :])
        turned = (
            "turned round and slid over it, h[n - k]" if found.flipped else "slid over it as it is"
        )
        _plain(middle, f"the signal, and the response {turned}", "k")
        _plain(below, "the result y[n]: the sum of the products", "n")
        signal = _Stems.on(middle, _X, "x", many=many)
        signal.set(np.arange(len(found.signal)), found.signal)
        sliding = _Stems.on(middle, _H, "h, slid", many=many)
        bars = middle.bar(
            np.arange(len(found.signal)), 0.0, 0.5, color=_Y, alpha=0.35, label="their products",
            zorder=1,
        )  # fmt: skip
        result, mark = _Stems.on(below, _Y, "y", many=many), _Stems.on(below, _H, "here", width=2.4)
        whole = np.concatenate([found.signal, found.response, [0.0]])
        low, high = float(whole.min()), float(whole.max())
        bound = float(np.abs(found.signal).max() * np.abs(found.response).max())
        _limits(middle, min(low, -bound if low < 0 else 0.0), max(high, bound))
        _limits(below, min(0.0, float(found.result.min())), max(0.0, float(found.result.max())))
        for axes in (middle, below):
            axes.set_xlim(-long + 0.4, count + 0.6)
        middle.legend(
            fontsize=drawing.SMALL_SIZE, framealpha=0.8, edgecolor="none", loc="upper right"
        )
        what = "Convolution" if found.flipped else "Cross-correlation"
        drawing.heading(
            figure,
            f"{what} of a signal of {len(found.signal)} samples with a response of {long}: "
            "multiply, add, slide on",
        )
        scene = cls(found, figure, middle, below, sliding, bars, result, mark)
        scene.move(found.at, count)
        return scene

    def move(self, at: int, filled: int) -> None:
        """Work another position out, and show the result as far as it is filled."""
        found = self.found
        long = len(found.response)
        shown = found.response[::-1] if found.flipped else found.response
        self.sliding.set(np.arange(at - long + 1, at + 1), shown)
        products = found.signal * found.slid(at)
        for bar, value in zip(self.products, products, strict=True):
            bar.set_height(float(value))
        self.result.set(np.arange(filled), found.result[:filled])
        self.mark.set(np.array([at]), found.result[at : at + 1])
        terms = [number(float(term)) for term in products[products != 0.0]]
        said = " + ".join(terms[:8]) + (" + …" if len(terms) > 8 else "") if terms else "no product"
        self.below.set_title(
            f"y[{at}] = {said}{' = ' + number(float(found.result[at])) if terms else ' but zero'}",
            fontsize=drawing.TEXT_SIZE, color=_H, loc="right",
        )  # fmt: skip


def _alone(axes: Axes, values: NDArray[np.float64], colour: str, title: str, label: str) -> None:
    _plain(axes, title, label)
    _Stems.on(axes, colour, title, many=len(values) > _MANY).set(np.arange(len(values)), values)
    _limits(axes, min(0.0, float(values.min())), max(0.0, float(values.max())))
    axes.set_xlim(-0.6, len(values) - 0.4)


def _plain(axes: Axes, title: str, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    drawing.plain_axes(axes)
    axes.axhline(0.0, color=drawing.FAINT, linewidth=0.8, zorder=0)
    axes.set_title(title, fontsize=drawing.TEXT_SIZE, color=drawing.INK, loc="left")
    axes.set_xlabel(label, fontsize=drawing.SMALL_SIZE, color=drawing.QUIET)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _limits(axes: Axes, low: float, high: float) -> None:
    room = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)
