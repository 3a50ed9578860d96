"""Letters that the suite draws once are drawn as matplotlib draws them."""

from __future__ import annotations

import io

import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure

from tests.helpers.drawn_letters import drawn_once

NAMES = ("_draw_text_glyphs_and_boxes", "draw_text")
pytestmark = pytest.mark.skipif(
    not hasattr(RendererAgg, NAMES[0]), reason="matplotlib 3.10 draws a text at once"
)
STYLES = (
    *({"rotation": 45}, {"rotation": 90}, {"ha": "right"}, {"va": "top"}, {"weight": "bold"}),
    *({"antialiased": False}, {"fontsize": 7.3}, {"family": "serif"}, {"alpha": 0.5}, {}),
)


def lettered(shift: float) -> Figure:
    """Return a figure of texts that begin at a part of a pixel."""
    figure = Figure(figsize=(4, 3))
    for place, style in enumerate(STYLES):
        figure.text(0.3 + shift, 0.05 + 0.09 * place + shift, "AVA, the same words", **style)
    figure.text(0.6 + shift, 0.5, r"$\frac{x^2}{\sqrt{y}}$ and more", rotation=30)
    return figure


def saved(figure: Figure, dpi: float) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


@pytest.mark.parametrize("settings", [{}, {"text.hinting": "none"}, {"text.antialiased": False}])
def test_pictures_are_the_same_to_the_last_byte(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [getattr(RendererAgg, name) for name in NAMES]
    assert all(hasattr(one, "__wrapped__") for one in ours), "the suite runs with it"
    with rc_context(settings):
        for dpi in (60, 83.5):
            for shift in (0.0, 0.001, 0.0123, 0.0517):
                drawn = saved(lettered(shift), dpi)
                with monkeypatch.context() as patched:
                    for name, one in zip(NAMES, ours, strict=True):
                        patched.setattr(RendererAgg, name, one.__wrapped__)
                    assert saved(lettered(shift), dpi) == drawn


def test_a_letter_is_drawn_once_for_two_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[object, ...]] = []

    def figure() -> Figure:
        found = Figure()
        found.text(0.5, 0.5, "once")
        found.text(0.5, 0.2, "\u6f22 each time, with its warning")
        return found

    # As it is without the suite's own, which may know the letters already.
    for name in NAMES:
        monkeypatch.setattr(RendererAgg, name, getattr(RendererAgg, name).__wrapped__)
    prepare = RendererAgg._prepare_font

    class Counting:
        def __init__(self, font: object) -> None:
            self._font = font

        def __getattr__(self, name: str) -> object:
            return getattr(self._font, name)

        def _layout(self, text: str, **options: object) -> object:
            counted.append((text,))
            return self._font._layout(text, **options)

    monkeypatch.setattr(
        RendererAgg, "_prepare_font", lambda self, prop: Counting(prepare(self, prop))
    )
    with drawn_once():
        for _ in range(2):
            with pytest.warns(UserWarning, match="Glyph"):
                saved(figure(), 100)
    assert counted.count(("once",)) == 1
    assert len(counted) >= 3
