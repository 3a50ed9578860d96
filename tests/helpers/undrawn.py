"""Figures that are built and not drawn, for tests that look neither at pixels nor at files.

What a command or a page asks for is computed, and its figure built with all that is to be seen in
it. Laying that out and drawing it takes longer than both, and is the same whoever asks: the laws
of `cnnviz.testing` draw a picture of every view, and save it in every format.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@contextmanager
def undrawn() -> Iterator[None]:
    """Write an empty picture wherever a figure is to be saved, within the context.

    A page gets pictures that are as large as they would be.
    """
    with (
        patch.object(Figure, "savefig", _save_an_empty_one),
        patch.object(FigureCanvasAgg, "draw", _leave_empty),
    ):
        yield


_SAVE = Figure.savefig
_DRAW: Any = FigureCanvasAgg.draw


def _save_an_empty_one(figure: Figure, target: Any, **options: Any) -> None:
    assert figure.axes, "an empty figure is saved"
    # What is told of a picture makes it one of ours.
    kept = {name: options[name] for name in ("format", "metadata") if name in options}
    with patch.object(FigureCanvasAgg, "draw", _DRAW):
        _SAVE(Figure(figsize=(1, 1)), target, **kept)


def _leave_empty(canvas: Any) -> None:
    assert canvas.figure.axes, "an empty figure is drawn"
    if "draw" in vars(canvas.figure):
        # Who put that there only wants to measure texts.
        _DRAW(canvas)
    else:
        # It makes the pixels.
        canvas.renderer = canvas.get_renderer()
