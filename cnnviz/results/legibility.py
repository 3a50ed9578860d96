"""Whether the texts of a picture can be read: none cut off, none over another or over a picture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.results.drawing import (
    TITLE_INDENT,
    any_letter,
    is_narrow,
    shape_asked_for,
    take_literally,
)
from cnnviz.results.measured_once import measured_once
from cnnviz.results.text_lines import Line, TooSmall, faults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PIXELS = 8000
"""Pixels of a side at most while a picture is looked at."""
_HALVINGS = 3
"""How often the room between a size that does not do and one that does is halved."""
_STRETCHED = 1.25
"""How many times as large as by itself a picture of small letters is, where these need that."""
LEAST = (2.0, 1.0)
"""Inches below which no picture is drawn at all: it has a title, axes and a caption."""
_WIDEST = 3.0
"""How many times the side that a picture takes by itself the same side may be."""
_FACTORS = (0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
"""The widths that are tried for a shape, as shares of that with the area of the picture."""
_TALLER = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.5)
"""The heights that are tried for a width, as shares of that with the picture's own shape."""
_GROWN = 1.1
"""How much larger panels are at least where a picture is drawn taller for them."""
_PAGE = 9.0
"""Inches of a column on a page: no picture is drawn higher for larger panels alone."""
_AS_LARGE = 0.97
"""How large panels are at least where a picture loses its margins, as a share."""
_NARROWEST_SHAPE = 10.0
"""Inches of a shape at least: letters need not fill a slide, and pictures should."""
_WIDEST_SHAPE = 20.0
"""Inches of a shape at most: with more, the letters of a slide are too small for the last row."""
_SQUEEZED = "constrained_layout not applied"


class UnreadableError(UsageError):
    """Numbers that a picture is made of could not be read at a size."""


def crowded(figure: Figure) -> str:
    """Say what cannot be read in a figure, in a few words; nothing where all can.

    Texts with an outline are left out: they are meant to lie over a picture.
    """
    take_literally(figure)
    dots = min(figure.dpi, _MOST_PIXELS / max(figure.get_size_inches()))
    before, figure.dpi = figure.dpi, dots
    try:
        found = _drawn(figure)
    finally:
        figure.dpi = before
    if found is None:
        return "nothing would be left of its panels"
    lines, ground = found
    return next(faults(lines, ground, dots), "")


def _drawn(figure: Figure) -> tuple[list[Line], NDArray[np.uint8]] | None:
    """Draw a figure without its texts: return these and the colours of the rest, [H, W, 3].

    None where there is no room for panels.
    """
    from matplotlib.backends.backend_agg import RendererAgg

    class Listening(RendererAgg):
        """A renderer that keeps lines of text instead of drawing them."""

        def draw_text(
            self,
            gc: Any,
            x: float,
            y: float,
            s: str,
            prop: Any,
            angle: float,
            ismath: Any = False,
            mtext: Any = None,
        ) -> None:
            """Keep a line: its left end on the base line, in pixels from the upper left."""
            if not s.strip():
                return
            measure: Any = self.get_text_width_height_descent
            width, height, descent = measure(s, prop, ismath)
            turn = math.radians(angle)
            along = np.array([math.cos(turn), -math.sin(turn)])
            up = np.array([-math.sin(turn), -math.cos(turn)])
            low = np.array([x, y]) - descent * up
            high = low + height * up
            corners = np.stack([high, high + width * along, low + width * along, low])
            lines.append(Line(s, corners, float(prop.get_size_in_points())))

    lines: list[Line] = []
    width, height = figure.get_size_inches() * figure.dpi
    kind: Any = Listening
    renderer = kind(max(1.0, width), max(1.0, height), figure.dpi)
    with warnings.catch_warnings(record=True) as told, any_letter(), measured_once(figure):
        warnings.simplefilter("always")
        figure.draw(renderer)
    if any(_SQUEEZED in str(each.message) for each in told):
        return None
    return lines, np.asarray(renderer.buffer_rgba())[..., :3]


def legible(
    draw: Callable[[tuple[float, float] | None], Figure], size: tuple[float, float]
) -> Figure:
    """Return a picture at a size; refuse one at which a text could not be read.

    Parameters
    ----------
    draw : callable
        Draws the picture at a size in inches, or at its own for None.
    size : (float, float)
        The size that was asked for.

    Raises
    ------
    UsageError
        If a text is cut off, or lies over another or over a picture. It has the least size of the
        same shape that will do.
    """
    figure = draw(size)
    fault = crowded(figure)
    if not fault:
        return figure
    own = draw(None).get_size_inches()
    times = own / np.array(size)
    least = _least(draw, size, float(min(times.max(), _WIDEST * times.min())))
    remedy = f"Leave the size out: the picture takes {own[0]:.3g} x {own[1]:.3g} inches."
    if least is not None:
        remedy = f"Give {least[0]:g} x {least[1]:g} inches or more, or leave the size out."
    raise UsageError(
        f"This picture does not fit into {size[0]:g} x {size[1]:g} inches: {fault}.", remedy
    )


def as_wide(
    draw: Callable[[tuple[float, float] | None], Figure], width: float, *, titled: bool = True
) -> Figure:
    """Return a picture of so many inches across, as high as its texts then need.

    Parameters
    ----------
    draw : callable
        Draws the picture at a size in inches, or at its own for None.
    width : float
        Inches from left to right.
    titled : bool
        Whether it has a title, without which it could do with less.

    Raises
    ------
    UsageError
        If a text could not be read at that width, however high the picture.
    """
    own = draw(None).get_size_inches()
    height = width * own[1] / own[0]
    try:
        first = draw((width, max(LEAST[1], height)))
    except UnreadableError:
        fault = TooSmall("its numbers could not be read")
        raise _wider(draw, (width, height), own[0], fault, titled=titled) from None
    shape = shape_asked_for(first)
    if shape is not None:
        height = width * shape

    @cache
    def tried(place: int) -> tuple[Figure, str]:
        at_hand = place == 0 and shape is None
        figure = first if at_hand else draw((width, max(LEAST[1], _TALLER[place] * height)))
        return figure, crowded(figure)

    place = lowest(
        lambda place: not tried(place)[1],
        len(_TALLER),
        lambda one, other: tried(one)[1] == tried(other)[1],
    )
    if place is not None:
        figure = tried(place)[0] if shape is not None else _filling(tried, place)
        return _without_margins(draw, figure)
    raise _wider(draw, (width, height), own[0], tried(0)[1], titled=titled)


def _wider(
    draw: Callable[[tuple[float, float] | None], Figure],
    size: tuple[float, float],
    own: float,
    fault: str,
    *,
    titled: bool,
) -> UsageError:
    """Return what to say of a width that does not do: from which on the picture can be read."""
    least = _least(draw, size, own / size[0])
    if least is None:
        wider = f"Leave the width out: the picture takes {_both_units(own)}"
    else:
        wider = f"Give a width of {_both_units(least[0])} or more"
    others = ", give smaller letters (font size), or leave the title out"
    if isinstance(fault, TooSmall):
        others = ""
    elif not titled:
        others = ", or give smaller letters (font size)"
    return UsageError(
        f"This picture does not fit into a width of {_both_units(size[0])}: {fault}.",
        f"{wider}{others}.",
    )


def lowest(
    does: Callable[[int], bool],
    count: int,
    alike: Callable[[int, int], bool] = lambda one, other: False,
) -> int | None:
    """Return the first of so many places that does, where all after one that does do as well.

    Where they do not, it is one that does and follows one that does not. A picture fits as it is or
    has to become much taller, so that its own height is tried first. Of two places that fail alike
    those between them are taken to fail as well.
    """
    if does(0):
        return 0
    low, high, failed = 0, count, [0]
    while high - low > 1:
        middle = (low + high) // 2
        if does(middle):
            high = middle
        else:
            low = middle
            failed.append(middle)
    if high < count:
        return high
    unlike = (pair for pair in pairwise(failed) if not alike(*pair))
    return next(filter(does, chain.from_iterable(range(a + 1, b) for a, b in unlike)), None)


def _filling(tried: Callable[[int], tuple[Figure, str]], place: int) -> Figure:
    """Return a narrow picture as high as its panels of a set shape fill the width at.

    Where panels stand below each other that stand side by side in a wide picture, the shape of
    that leaves room beside them.
    """
    figure, _ = tried(place)
    least = float(figure.get_figheight())
    for taller in range(place + 1, len(_TALLER)) if is_narrow(figure) else ():
        if least * _TALLER[taller] / _TALLER[place] > _PAGE:
            break
        other, fault = tried(taller)
        if fault or _set_in_shape(other) <= _GROWN * _set_in_shape(figure):
            break
        figure = other
    return figure


def _without_margins(
    draw: Callable[[tuple[float, float] | None], Figure], figure: Figure
) -> Figure:
    """Return a picture as low as it can be without its panels of a set shape getting smaller."""
    wanted = _AS_LARGE * _set_in_shape(figure)
    width, high = figure.get_size_inches()
    low = max(LEAST[1], high / 3.0)
    for _ in range(_HALVINGS if wanted and low < high else 0):
        middle = (low + high) / 2.0
        lower = draw((width, middle))
        if crowded(lower) or _set_in_shape(lower) < wanted:
            low = middle
        else:
            figure, high = lower, middle
    return figure


def _set_in_shape(figure: Figure) -> float:
    """Return the square inches of a drawn figure's panels that hold pictures, of a set shape."""
    panels = [axes for axes in figure.axes if axes.get_aspect() != "auto"]
    return sum(axes.bbox.width * axes.bbox.height for axes in panels) / figure.dpi**2


def _both_units(width: float) -> str:
    return f"{width:.3g} inches ({width * 25.4:.0f} mm)"


def shaped(draw: Callable[[tuple[float, float] | None], Figure], ratio: float) -> Figure:
    """Return a picture in a shape, such as that of a slide, with letters as large as can be.

    The size is the least of that shape, from a little below the area that the picture takes by
    itself, at which every text can be read.

    Parameters
    ----------
    draw : callable
        Draws the picture at a size in inches, or at its own for None.
    ratio : float
        The width of the shape over its height.

    Raises
    ------
    UsageError
        If the picture holds more than can be read in that shape.
    """
    own = draw(None).get_size_inches()
    width = max(math.sqrt(float(own.prod()) * ratio), _NARROWEST_SHAPE / _FACTORS[0])
    fault = ""
    for factor in _FACTORS:
        wide = round(factor * width, 1)
        if wide > _WIDEST_SHAPE:
            break
        figure = _with_margins(draw((wide, wide / ratio)))
        fault = crowded(figure)
        if not fault:
            return figure
    raise UsageError(
        "This picture holds more than can be read in that shape"
        + (f": {fault}." if fault else f": it takes {own[0]:.3g} x {own[1]:.3g} inches."),
        "Show less of it, or leave the size out.",
    )


def _with_margins(figure: Figure) -> Figure:
    """Keep what is drawn as far from the sides as the title is, and return the figure."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        across, down = figure.get_size_inches()
        side = TITLE_INDENT - float(engine.get()["w_pad"]) / across
        below = side * across / down
        engine.set(rect=(side, below, 1.0 - 2.0 * side, 1.0 - below))
    return figure


def _least(
    draw: Callable[[tuple[float, float] | None], Figure], size: tuple[float, float], most: float
) -> tuple[float, float] | None:
    """Return nearly the least size of the same shape that will do, up to `most` times as large.

    Or a little more, where smaller letters are not so much smaller as all else: dots are whole.
    """

    def grown(factor: float) -> tuple[float, float]:
        # In tenths of an inch, so that what is told is what was tried.
        return (math.ceil(size[0] * factor * 10) / 10, math.ceil(size[1] * factor * 10) / 10)

    def fits(factor: float) -> bool:
        try:
            return not crowded(draw(grown(factor)))
        except UnreadableError:
            return False

    # From the largest down: the least size that does is seldom much smaller than it.
    largest = (most, _STRETCHED * most) if most > 1.0 else ()
    factor = next(filter(fits, largest), None)
    if factor is None:
        return None
    low = max(1.0, factor / 3.0)
    for _ in range(_HALVINGS):
        middle = (low + factor) / 2.0
        low, factor = (low, middle) if fits(middle) else (middle, factor)
    return grown(factor)
