"""Draws networks over the years: a bubble for each, at its error, as large as its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.card_text import rate_said
from cnnviz.course.network_card import ONE_CROP, NetworkCard
from cnnviz.results import drawing
from cnnviz.results.text import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from cnnviz.views.famous_networks import FamousNetworks

_WIDTH, _HEIGHT = 13.33, 7.5
_COLOURS: Mapping[str, str] = {
    "LeNet": "#7f8b9c",
    "AlexNet": "#d9782d",
    "VGG": "#c2567a",
    "Inception": "#2a6fdb",
    "ResNet": "#3a9d8f",
    "DenseNet": "#7d55c7",
    "MobileNet": "#6b8e23",
}
_POINTS = 11.0
"""Square points of a bubble for each million parameters."""
_COLUMN, _EACH = 0.45, 0.55
"""The width of a year's column, and what each network in it adds."""
_LETTER, _LINE = 0.077, 0.16
"""Width of a letter and height of a line, in inches."""
_TALL = 5.2
_Columns = Mapping[int, tuple[float, float]]
_Box = tuple[float, float, float, float]
"""Middle, half the width and half the height, in inches."""


@dataclass(frozen=True)
class _Bubble:
    """A network at its place, in inches from the lower left of the panel."""

    card: NetworkCard
    parameters: float | None
    x: float
    y: float

    @property
    def radius(self) -> float:
        """Of the circle, in inches."""
        return math.sqrt(_area(self.parameters) / math.pi) / 72


def draw(result: FamousNetworks, into: drawing.Canvas | None = None) -> drawing.Canvas:
    """Return the picture of all networks."""
    figure = drawing.canvas(_WIDTH, _HEIGHT, into)
    drawing.heading(figure, "Networks of the course")
    pairs = list(zip(result.cards, result.parameters, strict=True))
    rated = [pair for pair in pairs if pair[0].top5 is not None]
    others = [pair for pair in pairs if pair[0].top5 is None]
    years = _columns(rated, others)
    if rated and others:
        upper, lower = figure.subplots(2, 1, height_ratios=(5, 1.35), sharex=True)
    else:
        upper = lower = figure.subplots()
    if rated:
        _draw_rated(upper, rated, years, result.human_top5)
    if others:
        _draw_others(lower, others, years)
    lower.set_xticks([middle for middle, _ in years.values()], [str(year) for year in years])
    lower.set_xlim(0, sum(wide for _, wide in years.values()))
    lower.set_xlabel("year of publication (years without any are left out)", color=drawing.QUIET)
    return figure


def _area(parameters: float | None) -> float:
    return max(12.0, _POINTS * (parameters or 0.0) / 1e6)


def _draw_rated(
    axes: Axes,
    rated: Sequence[tuple[NetworkCard, float | None]],
    years: _Columns,
    human: float,
) -> None:
    top = 1.12 * max(card.top5 or 0.0 for card, _ in rated)
    axes.set_ylim(0, top)
    per_year = (_WIDTH - 0.9) / sum(wide for _, wide in years.values())
    per_error = _TALL / top
    bubbles = [
        _Bubble(card, count, place * per_year, (card.top5 or 0.0) * per_error)
        for card, count, place in _spread(rated, years)
    ]
    taken = [(one.x, one.y, one.radius, one.radius) for one in bubbles]
    wide = _WIDTH - 0.9
    # The line of the trained person, and its words.
    taken += [
        (wide / 2, human * per_error, wide / 2, 0.02),
        (0.7, human * per_error + 0.1, 0.7, 0.1),
    ]
    _person(axes, human)
    for one in sorted(bubbles, key=lambda bubble: -bubble.radius):
        x, rate = one.x / per_year, one.card.top5 or 0.0
        _bubble(axes, x, rate, one)
        if one.card.best_top5 is not None:
            _ring(axes, x, rate, one.card.best_top5, _colour(one.card))
            least = one.card.best_top5 * per_error
            taken.append((one.x, (one.y + least) / 2, 0.05, (one.y - least) / 2 + 0.05))
    marks = _marks(rated)
    for one, spot in zip(bubbles, name_places(bubbles, taken), strict=True):
        at, words = (one.x / per_year, one.y / per_error), (spot[0] / per_year, spot[1] / per_error)
        _name(axes, one, at, words, marks.get(one.card.protocol, ""))
    drawing.plain_axes(axes)
    axes.set_ylabel("top-5 error of one network on ImageNet (%)", color=drawing.INK)
    _legend_of_families(axes, rated)
    _legend_of_sizes(axes, rated)
    _title_of_marks(axes, marks)


def _marks(rated: Sequence[tuple[NetworkCard, float | None]]) -> dict[str, str]:
    """Return a mark for each protocol but that of one crop."""
    others = dict.fromkeys(card.protocol for card, _ in rated if card.protocol != ONE_CROP)
    return dict(zip(others, "*†‡§¶", strict=False))


def _title_of_marks(axes: Axes, marks: Mapping[str, str]) -> None:
    """Say on which images the errors were measured, and how many crops of each were averaged."""
    unless = ", unless marked:" if marks else ""
    words = [f"Top-5 error on the validation set of ILSVRC 2012, one crop of each image{unless}"]
    words += [
        f"{mark} {protocol.removeprefix('one network').lstrip(', ') or 'crops not given'}"
        for protocol, mark in marks.items()
    ]
    title = "   ".join(words)
    axes.set_title(title, loc="left", fontsize=drawing.TEXT_SIZE, color=drawing.QUIET)


def _person(axes: Axes, error: float) -> None:
    axes.axhline(error, color=drawing.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    axes.annotate(
        f"a trained person: {error:g}",
        (0.004, error),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=drawing.TEXT_SIZE,
        color=drawing.QUIET,
    )


def _ring(axes: Axes, x: float, rate: float, best: float, colour: str) -> None:
    """Draw the lowest error of a paper, and a line to that of its one network."""
    axes.plot((x, x), (rate, best), color=colour, linewidth=0.8, alpha=0.7, zorder=1)
    axes.plot(
        x,
        best,
        marker="o",
        markersize=5.0,
        markerfacecolor="white",
        markeredgecolor=colour,
        zorder=3,
    )


def _name(
    axes: Axes, one: _Bubble, at: tuple[float, float], words: tuple[float, float], mark: str
) -> None:
    """Write name and error of a bubble, with a line to its edge."""
    axes.annotate(
        f"{one.card.title}\n{rate_said(one.card.top5 or 0.0)}{mark}",
        at,
        words,
        fontsize=8.5,
        color=drawing.INK,
        ha="center",
        va="center",
        linespacing=1.1,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        arrowprops={
            "arrowstyle": "-",
            "color": drawing.QUIET,
            "linewidth": 0.5,
            "shrinkB": one.radius * 72,
            "shrinkA": 0.0,
        },
    )


def _columns(*groups: Sequence[tuple[NetworkCard, float | None]]) -> _Columns:
    """Return the middle and the width of each year's column, wider where there are more."""
    found: dict[int, tuple[float, float]] = {}
    left = 0.0
    for year in sorted({card.year for group in groups for card, _ in group}):
        counts = [sum(card.year == year for card, _ in group) for group in groups]
        # Names of those below stand beside one another, and not around their bubbles.
        most = max(counts[0], 2.7 * counts[1] - 1.7)
        wide = _COLUMN + _EACH * most
        found[year] = (left + wide / 2, wide)
        left += wide
    return found


def _spread(
    rated: Sequence[tuple[NetworkCard, float | None]], years: _Columns
) -> list[tuple[NetworkCard, float | None, float]]:
    """Return the place of each on the axis of years: those of one year side by side."""
    found = []
    for year, run in groupby(sorted(rated, key=_by_year), key=_by_year):
        group, (middle, wide) = list(run), years[year]
        for number, (card, count) in enumerate(group):
            shift = (wide - _COLUMN) * ((number + 0.5) / len(group) - 0.5)
            found.append((card, count, middle + shift))
    return found


def _by_year(pair: tuple[NetworkCard, float | None]) -> int:
    return pair[0].year


def name_places(bubbles: Sequence[_Bubble], taken: Sequence[_Box]) -> list[tuple[float, float]]:
    """Return where the name of each bubble stands, in inches.

    Names lie on nothing that is taken, no line from a name to its bubble crosses another name, and
    none begins far away, as far as there is room.

    Parameters
    ----------
    bubbles : sequence of _Bubble
        What is to be named.
    taken : sequence of (float, float, float, float)
        Middle, half the width and half the height of what no name may lie on.
    """
    places: dict[int, tuple[float, float]] = {}
    boxes, leaders = list(taken), list[NDArray[np.float64]]()
    for place in sorted(range(len(bubbles)), key=lambda place: -bubbles[place].y):
        one = bubbles[place]
        box = min(_candidates(one), key=lambda box: _cost(one, box, boxes, leaders))
        boxes.append(box)
        leaders.append(_leader(one, box))
        places[place] = box[:2]
    return [places[place] for place in range(len(bubbles))]


def _candidates(one: _Bubble) -> Iterator[_Box]:
    """Yield boxes for a name around its bubble, nearer ones first."""
    wide = _LETTER * max(len(one.card.title), 6) / 2.0
    for away in (0.0, 0.15, 0.3, 0.5, 0.75, 1.0, 1.3):
        for across, up in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            x = one.x + across * (one.radius + 0.06 + wide + away * 0.5)
            y = one.y + up * (one.radius + 0.06 + _LINE + away)
            if y > _LINE + 0.03:
                yield x, y, wide, _LINE


def _leader(one: _Bubble, box: _Box) -> NDArray[np.float64]:
    """Return points of the line from a name to its bubble, [P, 2]."""
    along = np.linspace(0.0, 1.0, 40)[:, None]
    found: NDArray[np.float64] = (1.0 - along) * box[:2] + along * (one.x, one.y)
    return found


def _cost(
    one: _Bubble, box: _Box, boxes: Sequence[_Box], leaders: Sequence[NDArray[np.float64]]
) -> float:
    """Return how bad a place for a name is; 0 where nothing is in the way."""
    clash = sum(_overlap(box, other) for other in boxes)
    line = _leader(one, box)
    # Outside its own name and bubble, the line should cross nothing but what lies flat.
    for other in boxes:
        own = abs(other[0] - one.x) < 1e-6 or other[3] < 0.03
        clash += 0.0 if own else 0.02 * int(_within(line, other).sum())
    clash += 0.05 * sum(int(_within(leader, box).sum()) for leader in leaders)
    return clash + 1e-3 * math.dist(box[:2], (one.x, one.y))


def _within(points: NDArray[np.float64], box: _Box) -> NDArray[np.bool_]:
    inside = np.abs(points - np.array(box[:2])) < np.array(box[2:]) + 0.02
    return np.asarray(inside.all(1))


def _overlap(one: _Box, other: _Box) -> float:
    across = one[2] + other[2] - abs(one[0] - other[0])
    down = one[3] + other[3] - abs(one[1] - other[1])
    return max(0.0, across) * max(0.0, down)


def _bubble(axes: Axes, x: float, y: float, one: _Bubble) -> None:
    axes.scatter(
        [x],
        [y],
        s=_area(one.parameters),
        color=_colour(one.card),
        alpha=0.75,
        linewidths=0.6,
        edgecolors="white",
        zorder=2,
    )


def _colour(card: NetworkCard) -> str:
    return _COLOURS.get(card.family, drawing.QUIET)


def _draw_others(
    axes: Axes, others: Sequence[tuple[NetworkCard, float | None]], years: _Columns
) -> None:
    axes.set_ylim(-1.25, 0.8)
    for card, count, place in _spread(others, years):
        _bubble(axes, place, 0.3, _Bubble(card, count, 0.0, 0.0))
        words = card.title.replace(" v", "\nv")
        rate = "" if card.top1 is None else f"\ntop-1 {rate_said(card.top1)}"
        if card.family == "LeNet":
            rate += "\n(MNIST)"
        axes.text(
            place,
            -0.05,
            f"{words}{rate}",
            fontsize=8.0,
            color=drawing.INK,
            ha="center",
            va="top",
            linespacing=1.1,
        )
    drawing.plain_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_ylabel("no top-5\ngiven (%)", color=drawing.QUIET, fontsize=drawing.TEXT_SIZE)


def _legend_of_families(axes: Axes, rated: Sequence[tuple[NetworkCard, float | None]]) -> None:
    families = dict.fromkeys(card.family for card, _ in rated)
    handles = [_dot(one, color=_COLOURS.get(one, drawing.QUIET)) for one in families]
    ring = {"markerfacecolor": "white", "markeredgecolor": drawing.QUIET}
    handles.append(_dot("lowest of the paper (often of several networks)", **ring))
    first = axes.legend(
        handles=handles, loc="upper right", frameon=False, fontsize=drawing.TEXT_SIZE, ncols=2
    )
    axes.add_artist(first)


def _legend_of_sizes(axes: Axes, rated: Sequence[tuple[NetworkCard, float | None]]) -> None:
    known = sorted(count for _, count in rated if count)
    if not known:
        return
    sizes = [
        _dot(
            f"{short(count)} parameters",
            color=drawing.FAINT,
            markersize=2 * math.sqrt(_area(count) / math.pi),
        )
        for count in dict.fromkeys((known[0], known[len(known) // 2], known[-1]))
    ]
    axes.legend(
        handles=sizes,
        loc="upper right",
        bbox_to_anchor=(1.0, 0.8),
        frameon=False,
        fontsize=drawing.TEXT_SIZE,
        ncols=3,
        columnspacing=2.9,
        handletextpad=2.0,
        borderpad=2.0,
    )


def _dot(label: str, **how: Any) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="o", linestyle="", label=label, **how)
