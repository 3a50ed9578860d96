"""The pictures of letters, and where they stand in a text, found once for all figures of a process.

Matplotlib has FreeType draw each letter of each text anew, which takes a quarter of the time of
saving a figure, and the same titles and numbers along axes come back in figure after figure of the
suite. A letter that is moved by whole pixels is the same picture elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from threading import get_ident
from typing import Any

import numpy as np
from matplotlib.backends import backend_agg
from matplotlib.backends.backend_agg import RendererAgg

from tests.helpers.text_layouts import LAST_LETTER

_BACKEND: Any = backend_agg
_MOST = 20_000
_PIXEL = 64
"""FreeType's parts of a pixel."""


@contextmanager
def drawn_once() -> Iterator[None]:
    """Let letters and texts that are equal in all that counts be found once, within the context."""
    backend: Any = RendererAgg
    draw, draw_text = backend.__dict__.get("_draw_text_glyphs_and_boxes"), backend.draw_text
    if draw is None:  # matplotlib 3.10 draws a text at once
        yield
        return
    letters: dict[Any, tuple[Any, int, int]] = {}
    texts: dict[Any, list[Any]] = {}

    @wraps(draw)
    def draw_kept(
        renderer: Any, gc: Any, x: float, y: float, angle: float, glyphs: Any, boxes: Any
    ) -> None:
        for glyph in glyphs:
            _draw_letter(renderer, gc, (x, y, angle), glyph, letters)
        draw(renderer, gc, x, y, angle, (), boxes)

    @wraps(draw_text)
    def draw_text_kept(
        renderer: Any, gc: Any, x: float, y: float, said: str, prop: Any, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        if ismath or max(said, default="") > LAST_LETTER:
            draw_text(renderer, gc, x, y, said, prop, angle, ismath=ismath, mtext=mtext)
            return
        glyphs = _glyphs(renderer, said, prop, mtext, texts)
        draw_kept(renderer, gc, x, y, angle, glyphs, [])

    backend._draw_text_glyphs_and_boxes, backend.draw_text = draw_kept, draw_text_kept
    try:
        yield
    finally:
        backend._draw_text_glyphs_and_boxes, backend.draw_text = draw, draw_text


def _glyphs(
    renderer: Any, said: str, prop: Any, mtext: Any, kept: dict[Any, list[Any]]
) -> list[Any]:
    """Return the letters of a text as `RendererAgg` hands them on."""
    font, size = renderer._prepare_font(prop), prop.get_size_in_points()
    flags = _BACKEND.get_hinting_flag()
    features, language = (
        (None, None) if mtext is None else (mtext.get_fontfeatures(), mtext.get_language())
    )
    # A font is its thread's own.
    key = (get_ident(), *_face(font), said, size, renderer.dpi, flags, repr((features, language)))
    if key not in kept:
        if len(kept) >= _MOST:
            kept.clear()
        items = font._layout(said, flags=flags, features=features, language=language)
        kept[key] = [(one.ft_object, size, one.glyph_index, 0, 1, one.x, one.y) for one in items]
    return kept[key]


def _face(font: Any) -> tuple[str, int]:
    return font.fname, getattr(font, "face_index", 0)


def _draw_letter(
    renderer: Any,
    gc: Any,
    at: tuple[float, float, float],
    glyph: Any,
    kept: dict[Any, tuple[Any, int, int]],
) -> None:
    """Draw a letter as `RendererAgg` does, where it is the first of its kind."""
    font, size, index, slant, extend, dx, dy = glyph
    x, y, angle = at
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    right = round(_PIXEL * (x + dx * cos - dy * sin))
    up = round(_PIXEL * (renderer.height - y + dx * sin + dy * cos))
    columns, within_column = divmod(right, _PIXEL)
    rows, within_row = divmod(up, _PIXEL)
    flags, smooth = _BACKEND.get_hinting_flag(), gc.get_antialiased()
    place = (within_column, within_row)
    key = (*_face(font), size, renderer.dpi, index, slant, extend, angle, *place, flags, smooth)
    if key not in kept:
        if len(kept) >= _MOST:
            kept.clear()
        font.set_size(size, renderer.dpi)
        turned = np.array([[cos, -sin], [sin, cos]]) @ [[extend, extend * slant], [0, 1]]
        font._set_transform((0x10000 * turned).round().astype(int), list(place))
        modes = _BACKEND.RenderMode
        found = font._render_glyph(index, flags, modes.NORMAL if smooth else modes.MONO)
        pixels = np.array(found.buffer) * (1 if smooth else 0xFF)
        kept[key] = (pixels, found.left, found.top)
    pixels, left, top = kept[key]
    bottom = int(renderer.height) - (top + rows) + pixels.shape[0]
    renderer._renderer.draw_text_image(pixels, left + columns, bottom, 0, gc)
