"""Texts that the suite lays out and draws once are as matplotlib lays them out and draws them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text

from tests.helpers.kept_letters import kept_letters
from tests.helpers.text_layouts import remembered

STAMPS = {"png": {}, "svg": {"Date": None}}
# Each differs from the first in one thing.
DRAWN = [
    ({}, 60, 9.0, True),
    ({"font.family": ["serif"]}, 60, 9.0, True),
    ({"mathtext.fontset": "cm"}, 60, 9.0, True),
    ({}, 90, 9.0, True),
    ({}, 60, 7.0, True),
    ({}, 60, 9.0, False),
]


def lettered(size: float, dollars: bool) -> Figure:
    """Return a figure of texts that differ in one thing each."""
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot([-1e6, 2e6], [0.1, 0.7])
    axes.set(xlabel="a label\nof two lines", ylabel="across", title="$x^2$ and more")
    axes.title.set_parse_math(dollars)
    axes.tick_params(axis="x", rotation=30)
    for place, style in enumerate(
        ({}, {"rotation": 45}, {"ha": "right"}, {"va": "top"}, {"weight": "bold"}, {"wrap": True})
    ):
        axes.text(0.0, 0.1 * place, "the same words", fontsize=size, **style)
    axes.text(0.0, 0.4, "with hard edges", antialiased=False)
    axes.text(0.0, 0.65, "two\nlines", linespacing=2.0, rotation=90, rotation_mode="anchor")
    axes.text(1e6, 0.65, "two\nlines", multialignment="right")
    return figure


KEPT = [
    (kind, name)
    for kind, name in (
        (RendererAgg, "_prepare_font"),
        (RendererAgg, "_draw_text_glyphs_and_boxes"),
        (MathTextParser, "_parse_cached"),
    )
    if hasattr(RendererAgg, "_draw_text_glyphs_and_boxes")
]
"""What the suite does once of drawing letters, from matplotlib 3.11 on."""
KEEPS = pytest.mark.skipif(not KEPT, reason="matplotlib draws a line of text as one picture")


def saved(figure: Figure, form: str, dpi: int) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=dpi, metadata=STAMPS[form])
    return stream.getvalue()


@pytest.mark.parametrize("form", STAMPS)
def test_figures_are_the_same_to_the_last_byte(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Text._get_layout
    assert hasattr(ours, "__wrapped__"), "the suite runs with it"
    for setting, dpi, size, dollars in DRAWN:
        with rc_context({"svg.hashsalt": "fixed", **setting}):
            drawn = saved(lettered(size, dollars), form, dpi)
            with monkeypatch.context() as patched:
                patched.setattr(Text, "_get_layout", ours.__wrapped__)
                for kind, name in KEPT:
                    patched.setattr(kind, name, getattr(kind, name).__wrapped__)
                assert saved(lettered(size, dollars), form, dpi) == drawn


def test_a_text_is_laid_out_once_for_two_figures() -> None:
    counted: list[str] = []
    find = Text._get_layout.__wrapped__

    def counting(text: Text, renderer: object) -> object:
        counted.append(text.get_text())
        return find(text, renderer)

    before = Text._get_layout
    Text._get_layout = counting
    try:
        with remembered():
            for _ in range(2):
                figure = Figure()
                figure.text(0.5, 0.5, "once")
                figure.text(0.5, 0.2, "\u6f22 each time, with its warning")
                with pytest.warns(UserWarning, match="Glyph"):
                    figure.savefig(io.BytesIO(), format="png")
    finally:
        Text._get_layout = before
    assert counted.count("once") == 1
    assert len(counted) >= 3


@KEEPS
def test_letters_are_drawn_once_for_each_place_in_a_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, name in KEPT:  # The suite draws within such a context.
        monkeypatch.setattr(kind, name, getattr(kind, name).__wrapped__)
    counts, pictures = [], []
    with kept_letters() as kept:
        for across in (10.0, 40.0, 40.5):
            renderer = RendererAgg(200, 30, 100)
            renderer.draw_text(renderer.new_gc(), across, 20.0, "words", FontProperties(), 0.0)
            pictures.append(np.asarray(renderer.buffer_rgba()).copy())
            counts.append(len(kept))
    # How the letters lie is found out for the first, and five are drawn for each half of a pixel.
    assert counts == [6, 6, 11]
    assert np.array_equal(pictures[1][:, 30:], pictures[0][:, :-30])
    assert pictures[0].any()
    assert not np.array_equal(pictures[1], pictures[2])


@KEEPS
def test_a_formula_is_read_once_for_each_size() -> None:
    with kept_letters():
        one, other = (
            [MathTextParser("path").parse("$x^2$", dpi, FontProperties()) for dpi in (70, 80)]
            for _ in range(2)
        )
    assert one[0] is other[0]
    assert one[1] is other[1]
    assert one[0].width < one[1].width
