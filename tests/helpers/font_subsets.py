"""The letters of a font that a PDF holds, cut out once for all PDFs of a process.

Every PDF embeds the letters that it needs of each font. To read the font and to cut them out takes
longer than to draw the picture. Within `cut_once` a PDF gets the usual letters as well, and those
of the PDFs before it, so that what was cut out serves again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from matplotlib.backends import _backend_pdf_ps
from matplotlib.font_manager import get_font

_USUAL = (
    *map(chr, range(0x20, 0x7F)),
    *"×·±²³°½¼¾…–—‘’“”≈≤≥≠−→←↔∂∇∑√∞⁻⁰¹⁴⁵⁶⁷⁸⁹₀₁₂₃ᵢⱼαβγδεηθλμπρσφω",
)
"""What pictures write: cut out with the first letters, so that few PDFs ask for further ones."""


class _Subset:
    """A font with some of its letters, written once, as matplotlib hands it on."""

    def __init__(self, found: Any) -> None:
        whole = getattr(found, "font", found)  # matplotlib 3.10 hands on the font itself
        self.font = self
        self.glyph_index_map = getattr(found, "glyph_index_map", None)
        written = BytesIO()
        whole.save(written, reorderTables=False)
        self._bytes = written.getvalue()

    def save(self, file: BytesIO, **_: Any) -> None:
        file.write(self._bytes)

    def __enter__(self) -> _Subset:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


@contextmanager
def cut_once() -> Iterator[None]:
    """Let PDFs share what is cut out of a font, within the context."""
    backend: Any = _backend_pdf_ps
    cut = backend.get_glyphs_subset
    kept: dict[Any, tuple[set[Any], _Subset]] = {}

    def subset(fontfile: Any, glyphs: Any) -> _Subset:
        before = kept.get(fontfile)
        needed = set(glyphs) | (_usual(fontfile, glyphs) if before is None else before[0])
        if before is not None and needed == before[0]:
            return before[1]
        asked = "".join(sorted(needed)) if isinstance(glyphs, str) else needed
        with cut(fontfile, asked) as found:
            kept[fontfile] = needed, _Subset(found)
        return kept[fontfile][1]

    subset.__wrapped__ = cut  # type: ignore[attr-defined]
    backend.get_glyphs_subset = subset
    try:
        yield
    finally:
        backend.get_glyphs_subset = cut


def _usual(fontfile: Any, glyphs: Any) -> set[Any]:
    """Return the usual letters as matplotlib names them: as text, or by their place in the font."""
    if isinstance(glyphs, str):  # matplotlib 3.10
        return set(_USUAL)
    font = get_font(fontfile)
    return {font.get_char_index(ord(letter)) for letter in _USUAL} - {0}


@contextmanager
def cut_anew() -> Iterator[None]:
    """Let PDFs hold the letters that they need and no others, where their bytes are compared."""
    backend: Any = _backend_pdf_ps
    shared = backend.get_glyphs_subset
    backend.get_glyphs_subset = getattr(shared, "__wrapped__", shared)
    try:
        yield
    finally:
        backend.get_glyphs_subset = shared
