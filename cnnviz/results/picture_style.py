"""How large, how finely and in what font a picture is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.bounds import DPI, FONT_SIZE
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.drawing import (
    TEXT_SIZE,
    any_letter,
    headings,
    names_in,
    new_figure,
    take_literally,
)
from cnnviz.results.laid_out_once import laid_out_once
from cnnviz.results.legibility import LEAST, as_wide, legible, shaped
from cnnviz.results.lengths import inches_of
from cnnviz.results.letters import scale_letters
from cnnviz.results.measured_once import measured_once

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE_DPI = 160
FRAME_DPI = 110
"""Pixels of an inch of an animation, which is for screens."""
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
ANIMATION_SUFFIXES = (".gif", ".webp")
_SHAPE_PIXELS = 1920
"""Pixels across of a picture of which the shape alone is asked for, as of a screen."""
_MOST_UNEVEN = 5.0
"""How many times the one side of a shape the other may be."""
_GENERIC = ("sans-serif", "serif", "monospace")
LONGEST_SIDE = 8000
"""Pixels of a side at most where nobody asked for so many: no viewer shows more in one piece."""
_MOST_PIXELS = 2**28
"""Pixels of a picture at most: a gigabyte while it is drawn."""
_LONGEST = 2**16 - 1
"""Pixels of a side at most, which is as far as matplotlib's renderer goes."""
_SETTINGS: dict[str, Any] = {
    # Text stays text in a file, so that it can be searched, selected and edited.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Names of parts in an SVG are random without it, and the same picture another file each time.
    "svg.hashsalt": "cnnviz",
}
_UNIT = re.compile("(mm|cm|in)$")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Shape:
    """The shape of a picture, whatever its size: its width over its height."""

    ratio: float

    def __post_init__(self) -> None:
        if not 1 / _MOST_UNEVEN <= self.ratio <= _MOST_UNEVEN:
            raise UsageError(
                f"A picture cannot be {self.ratio:g} times as wide as high.",
                "Give the shape of a slide, such as 16:9 or 4:3.",
            )


@dataclass(frozen=True)
class PictureStyle:
    """The size of a picture, its resolution and its letters, each as it is by default where None.

    Attributes
    ----------
    size : (float, float), Shape or None
        Width and height in inches; or the shape alone, in which letters are as large as can be.
    dpi : float or None
        Pixels of an inch: of the whole picture in .png, of the images in it in .svg and .pdf.
    font : str or None
        The family, as installed on this machine, or "serif", "sans-serif" or "monospace".
    width : float or None
        Inches across alone: the picture is as high as it then needs.
    font_size : float or None
        Points of the letters of running text; titles and small print keep their proportion to it.
    title : bool
        Whether the picture has its title, which in a paper is the caption's to say.

    Raises
    ------
    UsageError
        If no picture has such a size, resolution or letters, the font is not installed, or a size
        and a width are both given.
    """

    size: tuple[float, float] | Shape | None = None
    dpi: float | None = None
    font: str | None = None
    width: float | None = None
    font_size: float | None = None
    title: bool = True

    def __post_init__(self) -> None:
        DPI.check("dpi", self.dpi)
        FONT_SIZE.check("font_size", self.font_size)
        if self.width is not None:
            if self.size is not None:
                raise UsageError("Both a size and a width are given.", "Give one of the two.")
            lowest = max(LEAST[1] * max(1.0, self._letters), self.width / _MOST_UNEVEN)
            self._check_size((self.width, lowest))
        if self.size is not None and not isinstance(self.size, Shape):
            self._check_size(self.size)
        if self.font is not None and self.font not in _GENERIC:
            object.__setattr__(self, "font", _installed(self.font))

    def _check_size(self, size: tuple[float, float]) -> None:
        """Refuse what no picture can be, before there is one: it takes room as letters do."""
        _check_size(size, self.dpi or FILE_DPI)
        least = [side * self._letters for side in LEAST]
        if size[0] < least[0] or size[1] < least[1]:
            raise UsageError(
                f"No picture with letters of {self.font_size:g} points can be read at "
                f"{_written(size, alone=self.width is not None)}.",
                f"Give {_written(least, alone=self.width is not None)} or more, or smaller "
                "letters (font size).",
            )

    def check(self, path: Path) -> None:
        """Raise a `UsageError` where this asks something of a file that is no picture."""
        drawn = (*PICTURE_SUFFIXES, *ANIMATION_SUFFIXES)
        if self != PictureStyle() and path.suffix.lower() not in drawn:
            raise UsageError(
                f"Size, dpi, letters and title are those of a picture, and {path.name!r} is none.",
                f"Leave them out, or end the name in one of {', '.join(PICTURE_SUFFIXES)}.",
            )

    def as_large_as_needed(self) -> PictureStyle:
        """Return the style without what a picture may have no room in, which draws any."""
        return PictureStyle(font=self.font, title=self.title)

    @property
    def tallest(self) -> float:
        """The inches of the tallest picture at this resolution."""
        return LONGEST_SIDE / (self.dpi or FILE_DPI)

    def figure(self) -> Figure | None:
        """Return an empty figure of this size; None where a picture chooses its own."""
        # A shape has a size once a picture was drawn in it: `settled`.
        return None if self.size is None or isinstance(self.size, Shape) else new_figure(*self.size)

    def settled(self, draw: Callable[[Figure | None], Figure]) -> PictureStyle:
        """Return the style of frames that are as large as this style draws a picture."""
        if self._is_natural:
            return self
        size = self.drawn(draw).get_size_inches() / self._letters
        # Frames are pixels: smaller letters in them are a larger picture at fewer dpi.
        dpi = self.dpi
        if self.font_size is not None:
            dpi = (self.dpi or FRAME_DPI) * self._letters
        return PictureStyle((float(size[0]), float(size[1])), dpi, self.font, title=self.title)

    def drawn(self, draw: Callable[[Figure | None], Figure]) -> Figure:
        """Draw a picture within `applied`, at its own size or at the one that is asked for.

        Parameters
        ----------
        draw : callable
            Draws into an empty figure, or into one of its own for None.

        Raises
        ------
        UsageError
            If a text of the picture could not be read at that size.
        """
        if self._is_natural:
            return draw(None)

        def sized(size: tuple[float, float] | None) -> Figure:
            # Smaller letters are those of a larger picture, of which all else is made smaller.
            times = self._letters
            figure = draw(None if size is None else new_figure(size[0] / times, size[1] / times))
            if times != 1.0:
                figure.set_size_inches(*(figure.get_size_inches() * times))
                scale_letters(figure, times)
            return figure

        if isinstance(self.size, Shape):
            return shaped(sized, self.size.ratio)
        if self.width is not None:
            return as_wide(sized, self.width, titled=self.title)
        return sized(None) if self.size is None else legible(sized, self.size)

    @property
    def _is_natural(self) -> bool:
        return self.size is None and self.width is None and self.font_size is None

    @property
    def _letters(self) -> float:
        """How many times as large as by default letters are to be."""
        return 1.0 if self.font_size is None else self.font_size / TEXT_SIZE

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Draw and write in this style within the context."""
        from matplotlib import rc_context

        settings: Any = dict(_SETTINGS)
        if self.font is not None:
            # The second gives the letters that the first lacks, here and where an SVG is opened.
            settings |= {
                "font.family": [self.font, "sans-serif"],
                "mathtext.fontset": "custom",
                **{f"mathtext.{style}": self.font for style in ("rm", "cal", "sf", "tt")},
                "mathtext.it": f"{self.font}:italic",
                "mathtext.bf": f"{self.font}:bold",
                "mathtext.bfit": f"{self.font}:italic:bold",
            }
        with rc_context(settings), any_letter(), headings(self.title):
            yield

    def write(self, figure: Figure, stream: Any, **options: Any) -> None:
        """Write a figure that was drawn within `applied`, names as they are."""
        take_literally(figure)
        _keep_to_xml(figure)
        if self.dpi is not None:
            _check_pixels(tuple(figure.get_size_inches()), self.dpi)
        options["dpi"] = self.dpi or self._usual_dpi(figure)
        with laid_out_once(figure):
            if isinstance(stream, Path) and stream.suffix.lower() == ".png":
                from cnnviz.results.png_canvas import write_png

                write_png(figure, stream, **options)
            else:
                figure.savefig(stream, **options)

    def _usual_dpi(self, figure: Figure) -> float:
        if isinstance(self.size, Shape):
            return _SHAPE_PIXELS / float(figure.get_size_inches()[0])
        return _fitting(figure, FILE_DPI)

    def write_frame(self, figure: Figure, stream: Any) -> None:
        """Write a frame of an animation as PNG, as `write` does, at the resolution of a screen."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        take_literally(figure)
        figure.set_dpi(self.dpi or _fitting(figure, FRAME_DPI))
        # `savefig` draws each frame twice.
        canvas: Any = FigureCanvasAgg(figure)
        with measured_once(figure):
            canvas.draw()
        pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        pixels.save(stream, format="png", compress_level=1)


def read_style(
    size: Any = None,
    width: Any = None,
    dpi: float | None = None,
    font: str | None = None,
    font_size: float | None = None,
    title: bool = True,
) -> PictureStyle:
    """Return the style that people write: sizes as numbers of inches, or as text with a unit.

    Raises
    ------
    UsageError
        If it cannot be, as `PictureStyle` says.
    """
    wanted = read_size(size) if isinstance(size, str) else size
    across = None if width is None else inches_of(width)
    return PictureStyle(wanted, dpi, font, across, font_size, title)


def read_size(text: str) -> tuple[float, float] | Shape:
    """Return a size written as ``7x4.5``, in inches, or ``85x60mm``; or a shape, as ``16:9``.

    Raises
    ------
    UsageError
        If it is not written like that.
    """
    if ":" in text:
        return _read_shape(text)
    parts = re.split(r"\s*[x×,]\s*", text.strip().lower())
    try:
        width, height = parts
        unit = _UNIT.search(height)
        if unit is None:
            return float(width), float(height)
        return inches_of(width if _UNIT.search(width) else width + unit[0]), inches_of(height)
    except (ValueError, UsageError):
        raise UsageError(
            f"{text!r} is no size of a figure.",
            "Give width x height in inches, such as 7x4.5, or with a unit, 85x60mm; or a shape, "
            "such as 16:9.",
        ) from None


def _read_shape(text: str) -> Shape:
    try:
        width, height = map(float, text.split(":"))
        return Shape(width / height)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"{text!r} is no shape of a figure.", "Give width:height, such as 16:9."
        ) from None


def _check_size(size: tuple[float, float], dpi: float) -> None:
    try:
        width, height = map(float, size)
    except (TypeError, ValueError):
        raise UsageError(
            f"{size!r} is no size of a figure.", "Give its width and height in inches."
        ) from None
    written = f"{width:g} x {height:g} inches"
    if not (math.isfinite(width * height) and width > 0 and height > 0):
        raise UsageError(f"A figure cannot have {written}.", "Give two numbers above 0.")
    if width < LEAST[0] or height < LEAST[1]:
        raise UsageError(
            f"No picture can be read at {written}.",
            f"Give {LEAST[0]:g} x {LEAST[1]:g} inches or more; most pictures need about 8 x 6.",
        )
    _check_pixels((width, height), dpi)


def _written(size: Sequence[float], *, alone: bool) -> str:
    """Return a size in words, or its width alone."""
    width = f"{size[0]:.3g}"
    return f"a width of {width} inches" if alone else f"{width} x {size[1]:.3g} inches"


def _check_pixels(size: tuple[float, float], dpi: float) -> None:
    pixels = (size[0] * dpi, size[1] * dpi)
    if max(pixels) > _LONGEST or math.prod(pixels) > _MOST_PIXELS:
        raise UsageError(
            f"A figure of {size[0]:g} x {size[1]:g} inches at {dpi:g} dpi has more pixels than can "
            "be drawn.",
            "Give a smaller size, in inches, or fewer dpi.",
        )


def _fitting(figure: Figure, dpi: float) -> float:
    """Return so many dpi, or fewer where a side would be too long for any viewer."""
    return min(dpi, LONGEST_SIDE / float(max(figure.get_size_inches())))


def _installed(font: str) -> str:
    """Return a font's name as the machine writes it."""
    from matplotlib.font_manager import fontManager

    known = {entry.name.casefold(): entry.name for entry in fontManager.ttflist}
    found = known.get(font.strip().casefold())
    if found is None:
        otherwise = f"Give the name of an installed font, or one of {', '.join(_GENERIC)}."
        raise UsageError(
            f"There is no font {font!r} on this machine.",
            did_you_mean(font, sorted({*known.values(), *_GENERIC}), otherwise),
        )
    return found


def _keep_to_xml(figure: Figure) -> None:
    """Take out of names what no SVG may hold, such as control characters."""
    for text in names_in(figure):
        if _NOT_IN_XML.search(text.get_text()):
            text.set_text(_NOT_IN_XML.sub("\ufffd", text.get_text()))
