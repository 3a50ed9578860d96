"""What FreeType finds out of texts and letters, kept for all pictures of a process.

From matplotlib 3.11 on each letter is drawn by itself, and its font set to the size before, which
lets FreeType prepare the font anew; and each text is laid out when it is measured and when it is
drawn. A formula, as the powers of ten along an axis are, is read anew for each picture. The suite
draws the same words in the same places again and again: to compare pictures, at several sizes, and
as the labels and numbers of other figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
from matplotlib import ft2font
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.mathtext import MathTextParser
from numpy.typing import NDArray

from tests.helpers.text_layouts import LAST_LETTER, settings_of_fonts

_MOST = 100_000
_PIXEL = 64
"""Steps of a place within a pixel."""


class _Bitmap(NamedTuple):
    buffer: NDArray[np.uint8]
    left: int
    top: int


class _Kept(dict[Any, Any]):
    """What was found, by all that it hangs on."""

    def get_or(self, key: Any, find: Callable[[], Any]) -> Any:
        if key not in self:
            if len(self) >= _MOST:
                self.clear()
            self[key] = find()
        return self[key]


class _Texts:
    """A font of a size that lays a text out once and measures it once."""

    def __init__(self, font: Any, size: tuple[float, float], kept: _Kept) -> None:
        self._font, self._size, self._kept = font, size, kept

    def set_text(self, text: str, *further: Any, **options: Any) -> None:
        def measure() -> tuple[Any, Any]:
            self._font.set_text(text, *further, **options)
            return self._font.get_width_height(), self._font.get_descent()

        self._measures = self._once(text, measure, "measures", *further, *options.items())

    def get_width_height(self) -> Any:
        return self._measures[0]

    def get_descent(self) -> Any:
        return self._measures[1]

    def _layout(self, text: str, **options: Any) -> Any:
        told = [(name, str(value)) for name, value in options.items()]
        return self._once(text, lambda: self._font._layout(text, **options), "layout", *told)

    def _once(self, text: str, find: Callable[[], Any], *asked: Any) -> Any:
        # Fonts may lack further letters, of which matplotlib warns each time.
        if max(text, default="") > LAST_LETTER:
            return find()
        return self._kept.get_or((self._font, self._size, text, *asked), find)


class _Letters:
    """A font that draws a letter once for each place within a pixel, for one line of text."""

    def __init__(self, font: Any, kept: _Kept) -> None:
        self._font, self._kept = font, kept
        self._size = self._prepared = (0.0, 0.0)

    def set_size(self, size: float, dpi: float) -> None:
        self._size = size, dpi

    def _set_transform(self, matrix: NDArray[np.int64], place: tuple[int, int]) -> None:
        self._matrix, self._place = matrix, place

    def _render_glyph(self, index: int, flags: Any, mode: Any) -> Any:
        (right, across), (up, along) = (divmod(each, _PIXEL) for each in self._place)

        def draw() -> _Bitmap:
            if self._prepared != self._size:
                self._font.set_size(*self._size)
                self._prepared = self._size
            self._font._set_transform(self._matrix, [across, along])
            drawn = self._font._render_glyph(index, flags, mode)
            return _Bitmap(drawn.buffer, drawn.left, drawn.top)

        told = (self._size, index, flags, mode, self._matrix.tobytes(), across, along)
        pixels, left, top = self._kept.get_or((self._font, *told), draw)
        if mode == ft2font.RenderMode.MONO:  # which matplotlib writes over
            pixels = pixels.copy()
        return _Bitmap(pixels, left + right, top + up)


@contextmanager
def kept_letters() -> Iterator[dict[Any, Any]]:
    """Draw and measure letters once, to the same last bit, in the context; give what is kept."""
    kind: Any = RendererAgg
    kept = _Kept()
    if not hasattr(kind, "_draw_text_glyphs_and_boxes"):
        yield kept  # Before matplotlib 3.11, which draws a line of text as one picture.
        return
    prepare, draw = kind._prepare_font, kind._draw_text_glyphs_and_boxes
    reader: Any = MathTextParser
    read = reader._parse_cached

    @wraps(prepare)
    def prepared(renderer: Any, prop: Any) -> _Texts:
        return _Texts(prepare(renderer, prop), (prop.get_size_in_points(), renderer.dpi), kept)

    @wraps(draw)
    def drawn(
        renderer: Any, gc: Any, x: float, y: float, angle: float, glyphs: Iterable[Any], boxes: Any
    ) -> None:
        fonts: dict[Any, _Letters] = {}

        def letters() -> Iterator[Any]:
            for font, *rest in glyphs:
                if font not in fonts:
                    fonts[font] = _Letters(font, kept)
                yield fonts[font], *rest

        draw(renderer, gc, x, y, angle, letters(), boxes)

    @wraps(read)
    def read_once(parser: Any, text: str, *further: Any) -> Any:
        told = (parser._output_type, text, *further, settings_of_fonts())
        if max(text, default="") > LAST_LETTER:
            return read(parser, text, *further)
        return kept.get_or(told, lambda: read(parser, text, *further))

    kind._prepare_font, kind._draw_text_glyphs_and_boxes = prepared, drawn
    reader._parse_cached = read_once
    try:
        yield kept
    finally:
        reader._parse_cached = read
        kind._prepare_font, kind._draw_text_glyphs_and_boxes = prepare, draw
