"""A4 pages of a PDF that are filled from the top, with any letters that a stranger's names hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import Align
from fpdf.fonts import TTFFont

from cnnviz.results import drawing

# In millimetres, as all lengths below that are not sizes of type.
MARGIN = 19.0
POINT = 25.4 / 72
LEADING = 1.45
FONT = "DejaVu"
_BOX = ord("□")


@dataclass(frozen=True)
class Style:
    """A size of type in points, and the space below in millimetres."""

    size: float
    after: float
    bold: bool = False
    colour: str = drawing.INK

    @property
    def leading(self) -> float:
        """The height of a line, in millimetres."""
        return self.size * LEADING * POINT


def plain(text: str) -> str:
    """Return text on one line, without what a font cannot draw or a line cannot hold.

    Names are a stranger's: line ends become blanks, other control characters and marks that turn
    the direction of what follows are left out, and half a surrogate pair becomes a question mark.
    """
    whole = " ".join(text.split()).encode("utf-16", "replace").decode("utf-16")
    return "".join(letter for letter in whole if letter.isprintable())


def _measured_as_it_grows() -> type[TTFFont]:
    """Return the class of a font that adds the width of one letter to that of a line so far.

    fpdf2 measures the line anew at each letter, which was most of the time that a PDF takes.
    """
    last, total = "", 0.0

    class Measured(TTFFont):
        __slots__ = ()

        def get_text_width(
            self, text: str, font_size_pt: float, text_shaping_params: dict[str, Any] | None
        ) -> tuple[int, float]:
            nonlocal last, total
            if len(text) < 2 or text_shaping_params:
                return super().get_text_width(text, font_size_pt, text_shaping_params)
            if text[:-1] == last:
                total += self.cw[ord(text[-1])]
            elif text != last:
                total = sum(self.cw[ord(letter)] for letter in text)
            last = text
            self.biggest_size_pt = max(self.biggest_size_pt, font_size_pt)
            return len(text), total * font_size_pt * 0.001

    return Measured


class PdfPages(FPDF):
    """A4 pages that are filled from the top; a new one is begun where something does not fit."""

    def __init__(self) -> None:
        super().__init__(unit="mm", format="A4")
        self._heights: dict[tuple[str, Style, float], float] = {}
        # A name may hold what stands for the number of pages.
        self.str_alias_nb_pages = ""
        self.set_margins(MARGIN, MARGIN)
        # Type begins where pictures begin.
        self.c_margin = 0.0
        self.set_auto_page_break(True, MARGIN)
        # The fonts that come with matplotlib; only the letters in use reach the file.
        fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
        self.add_font(FONT, "", fonts / "DejaVuSans.ttf")
        self.add_font(FONT, "B", fonts / "DejaVuSans-Bold.ttf")
        for font in self._fonts:
            font.__class__ = _measured_as_it_grows()
        self.add_page()

    def close(self) -> None:
        """Let go of the files of the fonts."""
        for font in self._fonts:
            font.ttfont.close()

    def footer(self) -> None:
        """Number the page."""
        self.set_y(-MARGIN / 2 - 2)
        self._type(Style(8, 0, colour=drawing.QUIET))
        self.cell(0, 4, str(self.page_no()), align=Align.C)

    def _letters(self, text: str) -> str:
        """Return text that can be written: a letter that the typeface lacks is drawn as a box.

        It stays the letter it is for whoever copies the text or searches for it.
        """
        written = plain(text)
        for font in self._fonts:
            for letter in set(map(ord, written)):
                if letter not in font.cmap:
                    font.cmap[letter] = font.cmap[_BOX]
                    font.glyph_ids[letter] = font.glyph_ids[_BOX]
                    font.cw[letter] = font.cw[_BOX]
        return written

    @property
    def _fonts(self) -> list[TTFFont]:
        return [font for font in self.fonts.values() if isinstance(font, TTFFont)]

    @property
    def _room(self) -> float:
        return float(self.page_break_trigger - self.y)

    def _turn(self) -> None:
        """Go on at the top of a new page, unless this one is empty."""
        if self.y > MARGIN:
            self.add_page()

    def _type(self, style: Style) -> None:
        self.set_font(FONT, "B" if style.bold else "", style.size)
        self.set_text_color(style.colour)

    def _height(self, text: str, style: Style, width: float = 0.0) -> float:
        """Return how high a paragraph is, which is asked again wherever it might stand."""
        self._type(style)
        asked = text, style, width or self.epw
        if asked not in self._heights:
            lines = self.multi_cell(
                asked[2],
                style.leading,
                self._letters(text),
                align=Align.L,
                dry_run=True,
                output="HEIGHT",
            )
            assert isinstance(lines, float | int)
            self._heights[asked] = lines + style.after
        return self._heights[asked]

    def _write(self, text: str, style: Style, width: float = 0.0) -> None:
        """Write a paragraph below what is there, as far right as `width` allows."""
        self._type(style)
        left = self.x
        self.multi_cell(width, style.leading, self._letters(text), align=Align.L)
        self.set_xy(left, self.y + style.after)
