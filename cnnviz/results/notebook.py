"""What a notebook shows of a value: a picture once and small, and a few facts, as HTML."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.results.drawing import any_letter, take_literally
from cnnviz.results.laid_out_once import laid_out_once

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCREEN_DPI = 110
# A notebook keeps every picture that it shows: WebP takes about a tenth of a PNG.
_WEBP: dict[str, Any] = {"quality": 88, "method": 4}
_LONGEST = 16383
"""The largest side that the format knows, in pixels."""


def shown_figure(figure: Figure, alt: str) -> str:
    """Return a figure as an image inside HTML, with words for those who don't see it."""
    dpi = min(SCREEN_DPI, _LONGEST / max(figure.get_size_inches()))
    stream = io.BytesIO()
    take_literally(figure)
    with any_letter(), laid_out_once(figure):
        figure.savefig(stream, format="webp", dpi=dpi, pil_kwargs=_WEBP)
    return _image(stream.getvalue(), alt)


def shown_pixels(pixels: NDArray[np.uint8], alt: str, longest: int = 224) -> str:
    """Return an image [H, W, 3] inside HTML, of at most so many pixels a side."""
    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    picture.thumbnail((longest, longest))
    picture.save(stream, format="WEBP", **_WEBP)
    return _image(stream.getvalue(), alt)


def shown_facts(title: str, facts: Iterable[tuple[str, str]], *pictures: str) -> str:
    """Return a heading, images as HTML, and a table of labels and values, every text escaped."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(label)}</th>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for label, value in facts
    )
    shown = f"<div>{' '.join(pictures)}</div>" if pictures else ""
    return f"<div><strong>{html.escape(title)}</strong>{shown}<table>{rows}</table></div>"


def folded(summary: str, text: str) -> str:
    """Return a text of fixed width that opens on a click, escaped."""
    shown = f"<summary>{html.escape(summary)}</summary><pre>{html.escape(text)}</pre>"
    return f"<details>{shown}</details>"


def _image(data: bytes, alt: str) -> str:
    source = f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
    return f'<img alt="{html.escape(alt, quote=True)}" style="max-width:100%" src="{source}">'
