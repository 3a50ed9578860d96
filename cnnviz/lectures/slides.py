"""Each picture of the lecture on a slide of 16:9, as PNG and as SVG whose words are text."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnnviz.reports.content import Picture
from cnnviz.reports.document import Report
from cnnviz.results import drawing
from cnnviz.results.picture_style import PictureStyle
from cnnviz.results.text import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 1920, 1080
_MARGIN, _TOP, _FOOT = 60, 130, 70
_TITLE_SIZE, _CALL_SIZE = 50, 24
_LONGEST_TITLE, _LONGEST_CALL = 66, 120
_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_VIEW = re.compile(r'viewBox="([^"]*)"')


def write_slides(report: Report, folder: Path) -> None:
    """Write ``NAME.png`` and ``NAME.svg`` of every picture of the chapters into a folder.

    Parameters
    ----------
    report : Report
        The lecture.
    folder : Path
        The folder to make.
    """
    folder.mkdir()
    for section in report.sections:
        for picture in section.pictures:
            with report.steps.step("slides", f"slide {picture.title}"):
                _write_slide(picture, folder)


def _write_slide(picture: Picture, folder: Path) -> None:
    drawn = (picture.slide or picture.draw)()
    with PictureStyle().applied():
        pixels = drawn if isinstance(drawn, np.ndarray) else _rendered(drawn)
        _slide_png(picture, pixels).save(folder / f"{picture.name}.png", compress_level=4)
        inner = _image_svg(drawn) if isinstance(drawn, np.ndarray) else _figure_svg(drawn)
    (folder / f"{picture.name}.svg").write_text(_slide_svg(picture, *inner), "utf-8")


def _room() -> tuple[int, int]:
    return WIDTH - 2 * _MARGIN, HEIGHT - _TOP - _FOOT


def _rendered(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure as large as it fits on the slide."""
    wide, high = figure.get_size_inches()
    across, down = _room()
    stream = io.BytesIO()
    PictureStyle(dpi=min(across / wide, down / high)).write(figure, stream, format="png")
    with Image.open(stream) as image:
        return np.asarray(image.convert("RGB"))


def _slide_png(picture: Picture, pixels: NDArray[np.uint8]) -> Image.Image:
    slide = Image.new("RGB", (WIDTH, HEIGHT), "white")
    image = Image.fromarray(pixels)
    across, down = _room()
    scale = min(across / image.width, down / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    slide.paste(image, ((WIDTH - image.width) // 2, _TOP + (down - image.height) // 2))
    pen = ImageDraw.Draw(slide)
    pen.text((_MARGIN, 45), _title(picture), drawing.INK, _font(_TITLE_SIZE, "bold"))
    below = (_MARGIN, HEIGHT - 50)
    pen.text(below, _call(picture), drawing.QUIET, _font(_CALL_SIZE, "normal", "monospace"))
    return slide


def _font(size: int, weight: str, family: str = "sans-serif") -> Any:
    wanted = font_manager.FontProperties(family=family, weight=weight)
    return ImageFont.truetype(font_manager.findfont(wanted), size)


def _figure_svg(figure: Figure) -> tuple[str, float, float]:
    stream = io.BytesIO()
    PictureStyle().write(figure, stream, format="svg", metadata={"Date": None})
    text = stream.getvalue().decode("utf-8")
    root = _ROOT.search(text)
    view = _VIEW.search(root.group()) if root else None
    if root is None or view is None:
        raise RuntimeError("matplotlib wrote an SVG without a viewBox")
    _, _, wide, high = map(float, view.group(1).split())
    return text[root.end() :].rpartition("</svg>")[0], wide, high


def _image_svg(pixels: NDArray[np.uint8]) -> tuple[str, float, float]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    high, wide = pixels.shape[:2]
    image = f'<image width="{wide}" height="{high}" xlink:href="data:image/png;base64,{data}"/>'
    return image, float(wide), float(high)


def _slide_svg(picture: Picture, inner: str, wide: float, high: float) -> str:
    across, down = _room()
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        f"<title>{escape(picture.title)}</title>\n<desc>{escape(picture.caption)}</desc>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n'
        f'<text x="{_MARGIN}" y="90" font-family="DejaVu Sans, sans-serif" font-weight="bold" '
        f'font-size="{_TITLE_SIZE}" fill="{drawing.INK}">{escape(_title(picture))}</text>\n'
        f'<svg x="{_MARGIN}" y="{_TOP}" width="{across}" height="{down}" '
        f'viewBox="0 0 {wide:g} {high:g}">{inner}</svg>\n'
        f'<text x="{_MARGIN}" y="{HEIGHT - 28}" font-family="DejaVu Sans Mono, monospace" '
        f'font-size="{_CALL_SIZE}" fill="{drawing.QUIET}">{escape(_call(picture))}</text>\n'
        "</svg>\n"
    )


def _title(picture: Picture) -> str:
    return shortened(picture.title, _LONGEST_TITLE)


def _call(picture: Picture) -> str:
    return shortened(picture.code, _LONGEST_CALL)
