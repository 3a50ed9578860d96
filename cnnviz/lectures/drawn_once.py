"""A picture that is drawn once, for the page and for its slide."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnnviz.errors import UsageError
from cnnviz.reports.failure import Failure
from cnnviz.results import drawing
from cnnviz.results.legibility import shaped
from cnnviz.results.picture_style import LONGEST_SIDE, PictureStyle
from cnnviz.results.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS, DOWN = 1800, 880
"""The pixels of a slide that a picture may take."""
_SHAPE = ACROSS / DOWN
_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_VIEW = re.compile(r'viewBox="([^"]*)"')


@dataclass(frozen=True)
class Vector:
    """A drawing as SVG: what stands between the tags of its root, and its size in points."""

    inner: str
    width: float
    height: float


class DrawnOnce:
    """Draws a result in the shape of a slide, and keeps the drawing as SVG for that.

    Most of the time goes into laying out a figure, and the page can show what the slide shows: its
    letters are larger, and no picture is higher than a screen. What could not be read in that shape
    is drawn as it is, and of what has several pages the slide has the first.

    Parameters
    ----------
    result : Result
        What is drawn.
    title : str
        What it is called where drawing it fails.
    failures : list of Failure
        Where that is told; what the page shows then is empty, and there is no slide.

    Attributes
    ----------
    vector : Vector or None
        The slide as SVG, once it is drawn.
    pixels : ndarray of uint8 or None
        The slide as pixels, where the page shows more; otherwise it shows the same.
    """

    def __init__(self, result: Result, title: str, failures: list[Failure]) -> None:
        self._result = result
        self._title = title
        self._failures = failures
        self.vector: Vector | None = None
        self.pixels: NDArray[np.uint8] | None = None

    def __call__(self) -> NDArray[np.uint8]:
        """Draw the picture of the page, and keep what the slide needs."""
        try:
            with PictureStyle().applied():
                return self._drawn()
        except Exception as error:
            self.vector = self.pixels = None
            failure = Failure.of(self._title, error)
            self._failures.append(failure)
            return _words(str(failure))

    def _drawn(self) -> NDArray[np.uint8]:
        pages = self._result.sheets()
        if len(pages) > 1:
            first = pages[0].figure()
            self.pixels = _pixels(first)
            self.vector = _vector(first)
            whole = self._result.figure()
            return _pixels(whole, whole.get_size_inches()[0])
        figure = in_shape(self._result)
        shown = _pixels(figure)
        self.vector = _vector(figure)
        return shown


def in_shape(result: Result) -> Figure:
    """Draw a result in the shape of a slide if all its words can be read then, or in its own."""

    def sized(size: tuple[float, float] | None) -> Figure:
        return result.figure(figure=None if size is None else drawing.new_figure(*size))

    try:
        drawn = shaped(sized, _SHAPE)
    except UsageError:  # it holds more than a slide can show
        return sized(None)
    # It is laid out now, and stays as it was found to be legible.
    drawn.set_layout_engine("none")
    return drawn


def _words(text: str) -> NDArray[np.uint8]:
    """Return a picture that says what is missing in its place."""
    lines = textwrap.wrap(text, 90)
    image = Image.new("RGB", (ACROSS, 40 * len(lines) + 60), "white")
    font = ImageFont.truetype(
        font_manager.findfont(font_manager.FontProperties(family=["sans-serif"])), 28
    )
    ImageDraw.Draw(image).multiline_text((30, 30), "\n".join(lines), drawing.INK, font, spacing=8)
    return np.asarray(image)


def _pixels(figure: Figure, across: float | None = None) -> NDArray[np.uint8]:
    """Return a figure as pixels: as large as a slide takes it, or so many inches as wide as one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    wide, high = figure.get_size_inches()
    dpi = min(ACROSS / wide, DOWN / high) if across is None else ACROSS / across
    figure.set_dpi(min(dpi, LONGEST_SIDE / max(wide, high)))
    drawing.take_literally(figure)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    rgba: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())
    return np.ascontiguousarray(rgba[..., :3])


def _vector(figure: Figure) -> Vector:
    stream = io.BytesIO()
    PictureStyle().write(figure, stream, format="svg", metadata={"Date": None})
    text = stream.getvalue().decode("utf-8")
    root = _ROOT.search(text)
    view = _VIEW.search(root.group()) if root else None
    if root is None or view is None:
        raise RuntimeError("matplotlib wrote an SVG without a viewBox")
    _, _, wide, high = map(float, view.group(1).split())
    return Vector(text[root.end() :].rpartition("</svg>")[0], wide, high)
