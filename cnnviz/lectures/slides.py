"""Each picture of the lecture on a slide of 16:9, as PNG and as SVG whose words are text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnnviz.lectures.drawn_once import ACROSS, DOWN, DrawnOnce, Vector
from cnnviz.reports.content import Picture
from cnnviz.reports.document import Report
from cnnviz.reports.own_files import PICTURES
from cnnviz.reports.pictures import COMPRESS_LEVEL
from cnnviz.results import drawing
from cnnviz.results.text import shortened

WIDTH, HEIGHT = 1920, 1080
_MARGIN, _TOP = 60, 130
_TITLE_SIZE, _CALL_SIZE = 50, 24
_LONGEST_TITLE, _LONGEST_CALL = 66, 120
_NEARLY = 1.01


def write_slides(report: Report, drawings: Mapping[str, DrawnOnce], folder: Path) -> None:
    """Write ``NAME.png`` and ``NAME.svg`` of every picture of the chapters into a folder.

    Parameters
    ----------
    report : Report
        The lecture, whose page is written already.
    drawings : mapping of str to DrawnOnce
        How its pictures were drawn, by name.
    folder : Path
        The folder to make, in that of the page.
    """
    folder.mkdir()
    for section in report.sections:
        for picture in section.pictures:
            with report.steps.step("slides", f"slide {picture.title}"):
                drawn = drawings[picture.name]
                # What could not be drawn has no slide.
                if drawn.vector is not None:
                    _write_slide(picture, drawn.pixels, drawn.vector, folder)


def _write_slide(
    picture: Picture, pixels: NDArray[np.uint8] | None, vector: Vector, folder: Path
) -> None:
    if pixels is None:
        with Image.open(folder.parent / PICTURES / f"{picture.name}.png") as shown:
            pixels = np.asarray(shown.convert("RGB"))
    slide = _slide_png(picture, pixels)
    slide.save(folder / f"{picture.name}.png", compress_level=COMPRESS_LEVEL)
    (folder / f"{picture.name}.svg").write_text(_slide_svg(picture, vector), "utf-8")


def _slide_png(picture: Picture, pixels: NDArray[np.uint8]) -> Image.Image:
    slide = Image.new("RGB", (WIDTH, HEIGHT), "white")
    image = Image.fromarray(pixels)
    scale = min(ACROSS / image.width, DOWN / image.height)
    # One drawn for the slide may be short of a pixel, and would blur if it were stretched for that.
    if not 1.0 <= scale < _NEARLY:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    slide.paste(image, ((WIDTH - image.width) // 2, _TOP + (DOWN - image.height) // 2))
    pen = ImageDraw.Draw(slide)
    pen.text((_MARGIN, 45), _title(picture), drawing.INK, _font(_TITLE_SIZE, "bold"))
    below = (_MARGIN, HEIGHT - 50)
    pen.text(below, _call(picture), drawing.QUIET, _font(_CALL_SIZE, "normal", "monospace"))
    return slide


def _font(size: int, weight: str, family: str = "sans-serif") -> Any:
    wanted = font_manager.FontProperties(family=family, weight=weight)
    return ImageFont.truetype(font_manager.findfont(wanted), size)


def _slide_svg(picture: Picture, drawn: Vector) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        f"<title>{escape(picture.title)}</title>\n<desc>{escape(picture.caption)}</desc>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n'
        f'<text x="{_MARGIN}" y="90" font-family="DejaVu Sans, sans-serif" font-weight="bold" '
        f'font-size="{_TITLE_SIZE}" fill="{drawing.INK}">{escape(_title(picture))}</text>\n'
        f'<svg x="{_MARGIN}" y="{_TOP}" width="{ACROSS}" height="{DOWN}" '
        f'viewBox="0 0 {drawn.width:g} {drawn.height:g}">{drawn.inner}</svg>\n'
        f'<text x="{_MARGIN}" y="{HEIGHT - 28}" font-family="DejaVu Sans Mono, monospace" '
        f'font-size="{_CALL_SIZE}" fill="{drawing.QUIET}">{escape(_call(picture))}</text>\n'
        "</svg>\n"
    )


def _title(picture: Picture) -> str:
    return shortened(picture.title, _LONGEST_TITLE)


def _call(picture: Picture) -> str:
    return shortened(picture.code, _LONGEST_CALL)
