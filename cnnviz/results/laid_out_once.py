"""Saving a figure in one drawing: matplotlib draws it twice, once only to place its panels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cnnviz.results.measured_once import measured_once

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def laid_out_once(figure: Figure) -> Iterator[None]:
    """Let `savefig` place the panels of a figure without drawing them for it.

    For a figure that has a layout engine it first draws all there is to a renderer that does
    nothing, for the engine runs at the start of a drawing; then it takes the engine away, and
    draws. Within this context the first of the two ends when the engine has run, and where its
    panels have their places already there is none.
    """
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    draw, held = figure.draw, figure.get_layout_engine()
    if isinstance(held, PlaceHolderLayoutEngine):
        # Not by `set_layout_engine`, by which the settings of a user may bring another.
        figure._layout_engine = None  # type: ignore[attr-defined]

    def once(renderer: Any) -> None:
        engine = figure.get_layout_engine()
        if engine is None or isinstance(engine, PlaceHolderLayoutEngine):
            draw(renderer)
            return
        # What `Figure.draw` does until the engine has run: axes of a set shape come to it.
        figure._get_draw_artists(renderer)  # type: ignore[attr-defined]
        if figure.axes:
            with suppress(ValueError):
                engine.execute(figure)

    figure.draw = once  # type: ignore[method-assign]
    try:
        with measured_once(figure):
            yield
    finally:
        del figure.draw
        figure._layout_engine = held  # type: ignore[attr-defined]
