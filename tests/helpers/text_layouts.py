"""Where the lines of a text lie, found out once for all figures of a process.

Matplotlib measures each text of a figure some ten times while it lays the figure out and draws it,
and forgets what it found with the renderer. The same titles and numbers along axes come back in
figure after figure of the suite, where this took a seventh of all drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from cnnviz.results.measured_once import measured_once

# What the choice of a font and the measures of its letters hang on, besides the text's own.
_SETTINGS = (
    "font.family",
    "font.serif",
    "font.sans-serif",
    "font.cursive",
    "font.fantasy",
    "font.monospace",
    "mathtext.fontset",
    "mathtext.default",
    "mathtext.fallback",
    "mathtext.rm",
    "mathtext.it",
    "mathtext.bf",
    "pdf.fonttype",
    "pdf.use14corefonts",
    "text.hinting",
)
# Fonts may lack letters beyond the minus sign, and matplotlib warns while it measures them.
LAST_LETTER = "\u2212"
_MOST = 20_000


@contextmanager
def remembered() -> Iterator[None]:
    """Let layouts of texts that are equal in all that counts be one, within the context."""
    found: dict[Any, Any] = {}
    find: Any = Text._get_layout  # type: ignore[attr-defined]

    @wraps(find)
    def layout(text: Any, renderer: Any) -> Any:
        key = _key(text, renderer)
        if key is None:
            return find(text, renderer)
        if key not in found:
            if len(found) >= _MOST:
                found.clear()
            found[key] = find(text, renderer)
        return found[key]

    Text._get_layout = layout  # type: ignore[attr-defined]
    try:
        yield
    finally:
        Text._get_layout = find  # type: ignore[attr-defined]


@contextmanager
def measured() -> Iterator[None]:
    """Let figures that are drawn without rendering measure their axes once, within the context."""
    draw: Any = Figure.draw_without_rendering

    @wraps(draw)
    def once(figure: Any) -> None:
        with measured_once(figure):
            draw(figure)

    Figure.draw_without_rendering = once  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Figure.draw_without_rendering = draw  # type: ignore[method-assign]


def _key(text: Any, renderer: Any) -> Any:
    """Return all that the layout of a text is made of; None where it is more than this."""
    said = text.get_text()
    if text.get_wrap() or text.get_usetex() or max(said, default="") > LAST_LETTER:
        return None
    measure = renderer.get_text_width_height_descent
    return (
        said,
        text._fontproperties.copy(),
        text.get_rotation(),
        text._horizontalalignment,
        text._verticalalignment,
        text._multialignment,
        text.get_rotation_mode(),
        text._linespacing,
        text.get_parse_math(),
        getattr(text, "_language", None),
        getattr(text, "_features", None),
        text.get_figure(root=True).dpi,
        getattr(measure, "__func__", measure),
        getattr(renderer, "dpi", None),
        settings_of_fonts(),
    )


def settings_of_fonts() -> tuple[Any, ...]:
    """Return what the choice of a font and the measures of its letters hang on besides."""
    settings: Any = rcParams
    # Past the checks of each look-up, which took half as long as the layouts that are left.
    found = [dict.__getitem__(settings, name) for name in _SETTINGS]
    return tuple([tuple(each) if isinstance(each, list) else each for each in found])
