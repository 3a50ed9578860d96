"""How results are drawn: colours and overlays, on Figures that pyplot never sees."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.results.text import kind_of, number

if TYPE_CHECKING:
    from typing import TypeAlias

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.text import Text

    Canvas: TypeAlias = Figure | SubFigure

SEQUENTIAL = "viridis"
HEAT = "inferno"
SIGNED = "RdBu_r"

INK = "#1c2430"
QUIET = "#5c6675"
FAINT = "#c9d0d9"
ACCENT = "#2a6fdb"
WARM = "#c8501e"
LUMA = np.array([0.299, 0.587, 0.114])
"""What red, green and blue add to the lightness of a colour (ITU-R BT.601)."""
FLAT = (208, 212, 218)
"""The colour of a tile that has one value only, in which no colour map can show anything."""

TITLE_SIZE = 11.0
TEXT_SIZE = 9.0
SMALL_SIZE = 7.5
NARROW = 5.5
"""Inches below which a figure is as narrow as a column of a paper, at letters of `TEXT_SIZE`."""
SLIDE = 16.0 / 9.0
"""The width of a slide over its height."""
TITLE_INDENT = 0.012
"""Where a title begins, as a share of the width of its figure."""
_TITLE_LETTERS = 9.5
"""How many letters of a title fit into an inch; a few more do where they are narrow."""
_PLAIN_LETTERS = 115.0
"""The same of plain letters of one point."""
_BESIDE_PANEL = 0.6
"""Inches beside a panel that is as wide as its figure, with the numbers of its axis."""
_HEADING_LINE = 0.19
"""Inches of a line of a title."""

_EDGE = 0.08
"""Inches that a picture keeps free at its edges, and between its panels twice."""
_ALIKE = 0.95
"""The share of its own width from which on a picture is drawn as by itself."""

Pixels = NDArray[np.uint8]

_headings: ContextVar[bool] = ContextVar("headings", default=True)
_shapes: WeakKeyDictionary[Canvas, float] = WeakKeyDictionary()


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure of `width` x `height` inches, unknown to pyplot."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # By itself the layout leaves 0.04 inches, so that letters seem cut off by the edge.
    layout = ConstrainedLayoutEngine(h_pad=_EDGE, w_pad=_EDGE)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def canvas(width: float, height: float, into: Canvas | None) -> Canvas:
    """Return where a caller wants a picture, at the size it has, or else a new figure."""
    return new_figure(width, height) if into is None else into


def placed(
    draw: Callable[[Canvas | None], Canvas],
    draw_panel: Callable[[Axes], None],
    figure: Canvas | None,
    ax: Axes | None,
) -> Figure:
    """Draw a picture where a caller wants it, and return the figure that holds it.

    Parameters
    ----------
    draw : callable
        Draws the whole picture into a Figure or SubFigure, or into a new one, and returns it.
    draw_panel : callable
        Draws the one panel of the picture into an Axes.
    figure, ax : optional
        What the caller gave; a new figure is made where both are None.

    Raises
    ------
    UsageError
        If both are given, or one is not what its name says.
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    if ax is None:
        if not isinstance(figure, FigureBase | None):
            raise UsageError(
                f"figure= is {kind_of(figure)}.", "Give a matplotlib Figure or SubFigure."
            )
        drawn = draw(figure)
        if figure is not None:
            take_literally(drawn)
        return whole(drawn)
    if figure is not None:
        raise UsageError("Both figure= and ax= are given.", "Give one of the two.")
    if not isinstance(ax, Axes):
        raise UsageError(f"ax= is {kind_of(ax)}.", "Give one matplotlib Axes.")
    draw_panel(ax)
    take_literally(ax)
    return whole(ax)


def whole(part: Canvas | Axes) -> Figure:
    """Return the figure that holds a part of it."""
    from matplotlib.figure import Figure

    found = part.get_figure(root=True)
    if not isinstance(found, Figure):
        raise UsageError("ax= was taken out of its figure.", "Give an Axes that a figure holds.")
    return found


def hide_ticks(axes: Axes) -> None:
    """Take ticks and frame away: the axes hold a picture, not a plot."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def plain_axes(axes: Axes) -> None:
    """Leave a plot its left and lower axis, in a quiet colour."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    # The ticks between powers of ten have labels as well, where there are few powers.
    axes.tick_params(which="both", colors=QUIET, labelsize=SMALL_SIZE)


def log_numbers(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5, in numbers that are short enough to read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


@dataclass(frozen=True)
class Scale:
    """The range of values that a colour map spans.

    Attributes
    ----------
    low, high : float
        The values at the ends of the map.
    colours : str
        The name of a matplotlib colour map.
    """

    low: float
    high: float
    colours: str = SEQUENTIAL

    @classmethod
    def of(cls, values: NDArray[Any], colours: str = SEQUENTIAL) -> Scale:
        """Span the finite values from their least to their greatest."""
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            return cls(0.0, 0.0, colours)
        return cls(float(finite.min()), float(finite.max()), colours)

    @classmethod
    def signed(cls, values: NDArray[Any], colours: str = SIGNED) -> Scale:
        """Span the finite values with zero in the middle."""
        finite = values[np.isfinite(values)]
        reach = float(np.abs(finite).max()) if finite.size else 0.0
        return cls(-reach, reach, colours)

    @property
    def constant(self) -> bool:
        """Whether there is one value only, so that nothing can be told apart."""
        return not self.high > self.low

    def unit(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Map the values onto 0..1; those of a constant scale onto 0."""
        if self.constant:
            return np.zeros(values.shape, np.float32)
        spread = (values.astype(np.float64) - self.low) / (self.high - self.low)
        return np.clip(spread, 0.0, 1.0).astype(np.float32)

    def paint(self, values: NDArray[Any]) -> Pixels:
        """Return the colours of the values, [..., 3]; grey where constant or not finite."""
        if self.constant:
            return np.broadcast_to(np.array(FLAT, np.uint8), (*values.shape, 3)).copy()
        index = np.nan_to_num(self.unit(values) * 255.0).round().astype(np.uint8)
        painted: Pixels = palette(self.colours)[index]
        painted[~np.isfinite(values)] = FLAT
        return painted


@lru_cache(maxsize=16)
def palette(name: str) -> Pixels:
    """Return a matplotlib colour map as 256 RGB colours, [256, 3]."""
    from matplotlib import colormaps

    colours = colormaps[name](np.linspace(0.0, 1.0, 256))[:, :3]
    return (colours * 255.0).round().astype(np.uint8)


def show(axes: Axes, pixels: Pixels, *, smooth: bool = False) -> None:
    """Show a picture without ticks and frame."""
    drawn = opaque(pixels)
    interpolation = "antialiased" if smooth else "nearest"
    if drawn.dtype == np.uint8 and drawn.ndim == 3:
        # matplotlib copies and masks what it is given, in double precision, which takes longer than
        # to draw it. So it is given one pixel of that size, and then the others.
        extent = (-0.5, drawn.shape[1] - 0.5, drawn.shape[0] - 0.5, -0.5)
        image = axes.imshow(drawn[:1, :1], interpolation=interpolation, extent=extent)
        image._A = drawn  # type: ignore[attr-defined]
    else:
        axes.imshow(drawn, interpolation=interpolation)
    hide_ticks(axes)


def opaque(pixels: Pixels) -> Pixels:
    """Return RGB pixels with an alpha of their own, which matplotlib draws twice as fast.

    It adds one itself otherwise, in double precision, and resamples all channels in that.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), np.uint8)


def overlay(photo: Pixels, heat: NDArray[np.float32], scale: Scale) -> Pixels:
    """Lay a heatmap over a photo, the denser the further a value lies from no evidence.

    Where the map is not a number the photo stays, paler. A constant map leaves a grey photo.

    Parameters
    ----------
    photo : ndarray of uint8
        [H, W, 3].
    heat : ndarray of float
        [H, W], NaN where the network saw nothing.
    scale : Scale
        The range of the colours; its zero is where there is no evidence.
    """
    reach = max(abs(scale.low), abs(scale.high))
    size = np.abs(np.nan_to_num(heat)) / reach if reach > 0.0 else np.zeros_like(heat)
    density: NDArray[np.float32] = (0.3 + 0.5 * np.clip(size, 0.0, 1.0, dtype=np.float32))[
        ..., None
    ]
    if scale.constant:
        density = np.zeros_like(density)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faded = cv2.addWeighted(grey, 0.7, photo, 0.3, 0.0)
    blended = faded.astype(np.float32) * (1.0 - density) + scale.paint(heat) * density
    pale = cv2.addWeighted(photo, 0.35, np.full_like(photo, 255), 0.65, 0.0)
    blended = np.where(np.isfinite(heat)[..., None], blended, pale)
    return np.asarray(blended.round(), np.uint8)


def fit(photo: Pixels, longest: int) -> Pixels:
    """Shrink a photo so that its longer side is at most `longest` pixels."""
    height, width = photo.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1.0:
        return photo
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def width_of(figure: Canvas) -> float:
    """Return the width of a figure, or of a part of one, in inches."""
    return float(figure.bbox.width / figure.dpi)


def height_of(figure: Canvas) -> float:
    """Return the height of a figure, or of a part of one, in inches."""
    return float(figure.bbox.height / figure.dpi)


def is_narrow(figure: Canvas) -> bool:
    """Whether a figure is as narrow as a column of a paper: panels stand one below the other."""
    return width_of(figure) < NARROW


def too_narrow(into: Canvas | None, own: float) -> bool:
    """Whether a picture of its own width in inches has to be laid out anew for a narrow canvas."""
    return into is not None and is_narrow(into) and width_of(into) < _ALIKE * own


def wrapped(text: str, inches: float, points: float = SMALL_SIZE) -> str:
    """Return a text in lines that take so many inches at letters of a size."""
    letters = int(inches * _PLAIN_LETTERS / points)
    return "\n".join(textwrap.wrap(text, max(20, letters), break_on_hyphens=False))


def say_below(axes: Axes, words: str, loc: Literal["left", "center"] = "left") -> None:
    """Write small words below a panel as wide as its figure, in as many lines as it takes."""
    drawn = wrapped(words, width_of(axes.figure) - _BESIDE_PANEL)
    axes.set_xlabel(drawn, fontsize=SMALL_SIZE, color=QUIET, loc=loc)


def ask_for_height(figure: Canvas, inches: float) -> None:
    """Say how high a figure should be at the width it has, where its height is free to choose."""
    # As a share of the width, which is the same where letters are smaller.
    _shapes[figure] = inches / width_of(figure)


def shape_asked_for(figure: Canvas) -> float | None:
    """Return that height over the width; None where a picture did not ask."""
    return _shapes.get(figure)


def heading(figure: Canvas, text: str) -> None:
    """Write the title of a figure at its left edge, on several lines where it is long."""
    if not _headings.get():
        return
    lines = "\n".join(_heading_lines(text, width_of(figure)))
    figure.suptitle(
        lines, x=TITLE_INDENT, ha="left", fontsize=TITLE_SIZE, color=INK, fontweight="bold"
    )


def heading_height(text: str, width: float) -> float:
    """Return the inches that the title of a figure of so many inches takes."""
    if not _headings.get():
        return 0.0
    return _HEADING_LINE * len(_heading_lines(text, width))


@contextmanager
def headings(shown: bool) -> Iterator[None]:
    """Draw pictures with their titles, or without, within the context."""
    before = _headings.set(shown)
    try:
        yield
    finally:
        _headings.reset(before)


def _heading_lines(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(20, int(width * _TITLE_LETTERS)), break_on_hyphens=False)


def take_literally(drawn: Canvas | Axes) -> None:
    """Keep a dollar sign in a name from starting a formula, which may not even be well-formed.

    The numbers that matplotlib itself writes along an axis stay formulas: some have exponents.
    """
    for text in names_in(drawn):
        text.set_parse_math(False)


def names_in(artist: Artist) -> Iterator[Text]:
    """Yield every text in an artist but the numbers along axes, which need not be made for it."""
    from matplotlib import axis, text
    from matplotlib.ticker import LogFormatter, ScalarFormatter

    if isinstance(artist, text.Text):
        yield artist
    numbers = (LogFormatter, ScalarFormatter)
    if isinstance(artist, axis.Axis) and isinstance(artist.get_major_formatter(), numbers):
        yield artist.label
        return
    for child in artist.get_children():
        yield from names_in(child)


@contextmanager
def any_letter() -> Iterator[None]:
    """Let names hold letters that the font lacks; they come out as boxes, which is no fault."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
